# Fetches the source archive of a package from pip's index and unpacks it: NAME VERSION FOLDER.
# VERSION may be empty: the newest that is no pre-release. Runs nothing of the package.
import html.parser, io, json, os, re, subprocess, sys, tarfile, urllib.parse, urllib.request, zipfile

from pip._vendor.packaging.version import InvalidVersion, Version

name, wanted, folder = sys.argv[1:4]
index = os.environ.get("PIP_INDEX_URL")
if not index:
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    index = asked.stdout.strip() or "https://pypi.org/simple"
normal = re.sub(r"[-_.]+", "-", name).lower()
page = f"{index.rstrip('/')}/{normal}/"


class Links(html.parser.HTMLParser):
    found = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a" and attributes.get("href") and "data-yanked" not in attributes:
            self.found.append(urllib.parse.urljoin(page, attributes["href"]))


def fetch(address):
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read()


def version_of(address):
    file = urllib.parse.unquote(urllib.parse.urlparse(address).path).rsplit("/", 1)[-1]
    for ending in (".tar.gz", ".zip", ".tar.bz2"):
        if file.endswith(ending):
            head, _, version = file[: -len(ending)].rpartition("-")
            if re.sub(r"[-_.]+", "-", head).lower() == normal:
                try:
                    return Version(version)
                except InvalidVersion:
                    return None
    return None


links = Links()
links.feed(fetch(page).decode("utf-8", "replace"))
known = [(version_of(address), address) for address in links.found]
known = [(version, address) for version, address in known if version]
if wanted:
    known = [pair for pair in known if pair[0] == Version(wanted)]
known = [pair for pair in known if not pair[0].is_prerelease] or known
if not known:
    sys.exit(f"the index has no source archive of {name} {wanted}".rstrip())
version, address = max(known, key=lambda pair: pair[0])
data = io.BytesIO(fetch(address))
if zipfile.is_zipfile(data):
    zipfile.ZipFile(data).extractall(folder)
else:
    data.seek(0)
    with tarfile.open(fileobj=data) as archive:
        try:
            archive.extractall(folder, filter="data")
        except TypeError:
            inside = [m for m in archive.getmembers() if (m.isfile() or m.isdir()) and not m.name.startswith("/") and ".." not in m.name.split("/")]
            archive.extractall(folder, members=inside)
print(json.dumps({"version": str(version)}))
