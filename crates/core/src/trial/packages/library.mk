# Makes a static library of C and assembler sources: SOURCES (patterns), LIBRARY, EXTRA (flags that
# it always needs), CFLAGS (those that are tried).
OBJECTS := $(patsubst %.S,%.o,$(patsubst %.c,%.o,$(filter-out $(WITHOUT),$(wildcard $(SOURCES)))))

$(LIBRARY): $(OBJECTS)
	rm -f $@
	$(AR) rcs $@ $(OBJECTS)

%.o: %.c
	$(CC) $(CFLAGS) $(EXTRA) -c -o $@ $<

%.o: %.S
	$(CC) $(CFLAGS) $(EXTRA) -c -o $@ $<
