/* Workloads of SQLite, all in memory. Does not know what it is linked with. */
#include "ironwright-driver.h"
#include "sqlite3.h"

static sqlite3 *open_database(void) {
    sqlite3 *database = NULL;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK)
        fail("open");
    return database;
}

static void run_sql(sqlite3 *database, const char *sql) {
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(database));
}

static sqlite3_stmt *prepared(sqlite3 *database, const char *sql) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        fail(sqlite3_errmsg(database));
    return statement;
}

static uint64_t insert_rows(sqlite3 *database, long rows) {
    unsigned char text[48];
    run_sql(database, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, s TEXT)");
    run_sql(database, "CREATE INDEX t_by_n ON t (n)");
    sqlite3_stmt *insert = prepared(database, "INSERT INTO t (n, s) VALUES (?1, ?2)");
    run_sql(database, "BEGIN");
    for (long row = 0; row < rows; row++) {
        text_fill(text, sizeof text);
        sqlite3_bind_int64(insert, 1, (sqlite3_int64)(random_next() % 100000));
        sqlite3_bind_text(insert, 2, (const char *)text, sizeof text, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            fail("insert");
        sqlite3_reset(insert);
    }
    run_sql(database, "COMMIT");
    return (uint64_t)sqlite3_last_insert_rowid(database);
}

static uint64_t answer(sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_ROW)
        fail("select");
    uint64_t value = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return value;
}

static uint64_t run_insert(long rounds) { return insert_rows(open_database(), rounds); }

static uint64_t run_lookup(long rounds) {
    sqlite3 *database = open_database();
    uint64_t sum = insert_rows(database, 20000);
    sqlite3_stmt *find = prepared(database, "SELECT count(*) FROM t WHERE n BETWEEN ?1 AND ?1 + 20");
    while (rounds--) {
        sqlite3_bind_int64(find, 1, (sqlite3_int64)(random_next() % 100000));
        sum += answer(find);
    }
    return sum;
}

static uint64_t run_aggregate(long rounds) {
    sqlite3 *database = open_database();
    uint64_t sum = insert_rows(database, 20000);
    sqlite3_stmt *all =
        prepared(database, "SELECT sum(n * length(s)) FROM t WHERE s LIKE '%measured%' OR n % 7 = 3");
    while (rounds--)
        sum += answer(all);
    return sum;
}

int main(int argc, char **argv) {
    const struct task tasks[] = {
        {"insert", run_insert}, {"lookup", run_lookup}, {"aggregate", run_aggregate}, {NULL, NULL}};
    return drive(tasks, argc, argv);
}
