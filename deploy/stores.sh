# Read by `backup` and `restore`: where Postgres and the blobs are, and Postgres's programs. BLOBS is the blobs' folder,
# or empty, and BUCKET the address of their bucket.
# shellcheck shell=bash

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

die() {
    echo "$(basename -- "$0"): $*" >&2
    exit 1
}

say() {
    echo "$(basename -- "$0"): $*"
}

# The addresses as `tusou` finds them: variables, then $TUSOU_CONFIG, ./tusou.toml, the local stack's
# file or /etc/tusou/tusou.toml, then the defaults. The password goes into PGPASSWORD, so that no process list has it.
addresses() {
    python3 - "$HERE/../.stack/tusou.toml" <<'PYTHON'
import os, pathlib, shlex, sys, urllib.parse

DEFAULTS = {"database": "postgres://tusou@127.0.0.1:5432/tusou", "blobs": "file:///var/lib/tusou/blobs"}
NAMED = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "host": "PGHOST", "port": "PGPORT",
}


def file():
    if os.environ.get("TUSOU_CONFIG"):
        return pathlib.Path(os.environ["TUSOU_CONFIG"])
    for path in (pathlib.Path("tusou.toml"), pathlib.Path(sys.argv[1]), pathlib.Path("/etc/tusou/tusou.toml")):
        if path.exists():
            return path


def config():
    path = file()
    if path is None:
        return {}
    try:
        import tomllib
    except ImportError:
        sys.exit("python3 is older than 3.11 and reads no TOML: set TUSOU_DATABASE_URL and TUSOU_BLOBS_URL")
    return tomllib.loads(path.read_text())


def value(section):
    name = "TUSOU_%s_URL" % section.upper()
    if os.environ.get(name):
        return os.environ[name]
    if os.environ.get(name + "_FILE"):
        return pathlib.Path(os.environ[name + "_FILE"]).read_text().strip()
    return config().get(section, {}).get("url", DEFAULTS[section])


def show(name, text):
    if text:
        print("export %s=%s" % (name, shlex.quote(str(text))))


plain = urllib.parse.unquote
database = urllib.parse.urlsplit(value("database"))
if database.scheme not in ("postgres", "postgresql"):
    sys.exit("database.url is no postgres:// URL")
show("PGHOST", plain(database.hostname or ""))
show("PGPORT", database.port)
show("PGUSER", plain(database.username or ""))
show("PGPASSWORD", plain(database.password or ""))
show("PGDATABASE", plain(database.path.lstrip("/")))
for key, text in urllib.parse.parse_qsl(database.query):
    show(NAMED.get(key, ""), NAMED.get(key) and text)
blobs = urllib.parse.urlsplit(value("blobs"))
if blobs.scheme == "s3" and blobs.hostname:
    print("export BLOBS=''")
    show("BUCKET", "s3://%s%s" % (blobs.netloc.rsplit("@", 1)[-1], blobs.path.rstrip("/")))
elif blobs.scheme == "file" and plain(blobs.path).strip("/"):
    show("BLOBS", plain(blobs.path).rstrip("/"))
    print("export BUCKET=''")
else:
    sys.exit("blobs.url is no file:/// URL of a folder, and no s3:// URL of a bucket")
PYTHON
}

# Puts Postgres's programs into PATH: those of $TUSOU_PG_BIN, of the machine, or of the local stack.
programs() {
    local stack="$HERE/../.stack/programs/postgres" folder
    if [[ -n ${TUSOU_PG_BIN:-} ]]; then
        PATH="$TUSOU_PG_BIN:$PATH"
    elif ! command -v pg_dump >/dev/null; then
        folder=$(find /usr/lib/postgresql "$stack/usr/lib/postgresql" -maxdepth 3 -name pg_dump -printf '%h\n' 2>/dev/null |
            sort -V | tail -n 1)
        [[ -n $folder ]] || die "pg_dump is not found: install Postgres's client programs, or name their folder in TUSOU_PG_BIN"
        PATH="$folder:$PATH"
        if [[ $folder == "$stack"* ]]; then
            LD_LIBRARY_PATH=$(find "$stack/usr/lib" "$stack/lib" -maxdepth 1 -type d -name '*-linux-gnu*' 2>/dev/null | paste -sd:)
            export LD_LIBRARY_PATH
        fi
    fi
    command -v psql >/dev/null && command -v pg_restore >/dev/null ||
        die "psql or pg_restore is not found beside pg_dump: install all of Postgres's client programs"
}

# One answer of the database.
ask() {
    psql -X -v ON_ERROR_STOP=1 -qtAc "$1"
}

# Copies the blobs that the second folder lacks. A blob never changes, so one of the same name and
# size is there; what a broken-off copy left has another size. What is being written (`…#1`) is no blob.
# Lists of names lie meanwhile beside the copy and not in /tmp, which is small in containers: some gigabytes
# for ten million pictures.
copy_blobs() {
    local from=$1 to=$2 lists there=0
    [[ -d $from ]] || die "$from is not there: see what blobs.url says, and that its disk is mounted"
    mkdir -p -- "$to"
    lists=$to/lists
    rm -rf -- "$lists" # of one that was killed
    mkdir -- "$lists"
    # shellcheck disable=SC2064 # the name of now: the variable is gone by then
    trap "rm -rf -- ${lists@Q}" EXIT
    TMPDIR=$lists list_blobs "$from" >"$lists/from"
    TMPDIR=$lists list_blobs "$to" >"$lists/to"
    LC_ALL=C comm -23 "$lists/from" "$lists/to" | cut -d' ' -f2- >"$lists/missing"
    there=$(wc -l <"$lists/missing")
    # A blob that `tusou gc` takes away meanwhile has no row, and is left out.
    tar -C "$from" --verbatim-files-from -T "$lists/missing" --ignore-failed-read --warning=no-failed-read \
        --warning=no-file-removed -cf - | tar -C "$to" --no-same-owner -xf -
    rm -r -- "$lists"
    sync -f "$to"
    say "$there blobs copied from $from to $to"
}

list_blobs() {
    local kind
    for kind in originals thumbnails; do
        if [[ -d $1/$kind ]]; then
            (cd -- "$1" && find "$kind" -type f ! -name '*#*' -printf '%s %p\n')
        fi
    done | LC_ALL=C sort
}
