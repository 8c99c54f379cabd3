#!/bin/bash
# Installs what is missing to build Batchyard, to run its demo, to run GATK's pipelines, or to run all its tests. Says what
# it installed and nothing else; run it as often as you like.
#
#   scripts/setup.sh            what the build needs
#   scripts/setup.sh demo       and what the demo needs: aligners, Java, example reads
#   scripts/setup.sh gatk       and GATK itself, from Maven, with what its pipelines call
#   scripts/setup.sh test       and what the tests can use: database servers, a container engine, schedulers, clients
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=$root/.cache
log=$cache/setup.log
rust_needed=1.95
mkdir -p "$cache"

fail() {
  echo "setup: $1" >&2
  shift
  for hint in "$@"; do echo "hint: $hint" >&2; done
  exit 1
}

# Debian packages for programs that cannot be found: `program-or-path=package`; a path may be a wildcard.
missing_packages() {
  local entry probe package found
  for entry in "$@"; do
    probe=${entry%%=*} package=${entry#*=}
    if [[ $probe == /* ]]; then
      found=$(compgen -G "$probe" || true)
    else
      found=$(PATH=$PATH:/usr/sbin:/sbin command -v "$probe" || true)
    fi
    [ -n "$found" ] || echo "$package"
  done | sort -u
}

policy=/usr/sbin/policy-rc.d
policy_is_ours=
cleanup() { if [ -n "$policy_is_ours" ]; then rm -f "$policy"; fi; }
trap cleanup EXIT

# Server packages start their servers when installed; the tests start private ones instead.
forbid_starting_services() {
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    policy_is_ours=yes
  fi
}

# Grid Engine's packages would make a cluster of their own when installed; the tests make private ones.
forbid_making_clusters() {
  local package
  command -v debconf-set-selections > /dev/null || return 0
  for package in gridengine-master gridengine-exec gridengine-client; do
    if [[ " $* " == *" $package "* ]]; then echo "$package shared/gridengineconfig boolean false"; fi
  done | debconf-set-selections
}

install_packages() {
  [ $# -gt 0 ] || return 0
  command -v apt-get > /dev/null || fail "missing: $*" "install what holds these programs on your system (the names are Debian's)"
  [ "$(id -u)" = 0 ] || fail "missing: $*" "sudo apt-get install --no-install-recommends $*"
  forbid_starting_services
  forbid_making_clusters "$@"
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; } > "$log" 2>&1 < /dev/null; then
    tail -n 15 "$log" >&2
    fail "apt-get could not install $*" "the whole log is $log"
  fi
  printf 'installed: %s\n' "$@"
}

# Things the tests do without when they must.
install_if_possible() {
  [ $# -gt 0 ] || return 0
  if command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
    forbid_starting_services
    (install_packages "$@") || echo "not installed, tests that need them are skipped: $*"
  else
    echo "not installed, tests that need them are skipped: $*"
  fi
}

check_rust() {
  PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  local hint="install Rust with https://rustup.rs, or bring it up to date with: rustup update stable"
  command -v cargo > /dev/null || fail "cargo $rust_needed or newer is needed" "$hint"
  local version
  version=$(cargo --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$rust_needed" "$version" | sort -V | head -n 1)" = "$rust_needed" ] ||
    fail "cargo $rust_needed or newer is needed, this is $version" "$hint"
}

# Reads and reference of the demo. They are documentation files, which many systems do not keep, so the package is
# unpacked beside the sources instead of being installed.
fetch_example_reads() {
  local folder=$cache/bowtie2-examples reads=usr/share/doc/bowtie2/examples/reads/reads_1.fq.gz
  [ -e "/$reads" ] || [ -e "$folder/$reads" ] || {
    command -v apt-get > /dev/null || fail "the example reads are missing" "unpack Debian's package bowtie2-examples into $folder"
    local download
    download=$(mktemp -d)
    # The download is done by a user of its own where there is one.
    chmod 777 "$download"
    (
      cd "$download"
      apt-get download -q bowtie2-examples || { [ "$(id -u)" = 0 ] && apt-get update -q && apt-get download -q bowtie2-examples; }
    ) > "$log" 2>&1 || { tail -n 15 "$log" >&2; fail "the package bowtie2-examples could not be downloaded" "the whole log is $log"; }
    rm -rf "$folder" "$folder.part"
    dpkg-deb -x "$download"/bowtie2-examples_*.deb "$folder.part"
    mv "$folder.part" "$folder"
    rm -rf "$download"
    echo "downloaded: bowtie2-examples"
  }
}

# Published pipelines that the tests check; they come with a client of the original service and are not ours to keep.
fetch_published_pipelines() {
  local package=batchcompute-cli version=1.7.7
  [ -e "$cache/$package-$version.tar.gz" ] && return
  if python3 -m pip download --quiet --no-deps --no-build-isolation --no-binary :all: --dest "$cache" "$package==$version" > "$log" 2>&1 ||
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$cache" "$package==$version" > "$log" 2>&1; then
    echo "downloaded: $package"
  else
    echo "not downloaded, tests that need it are skipped: $package (see $log)"
  fi
}

# Real clients of the interfaces, each in an environment of its own, with fixed versions. Where there is a list of builders
# beside that of a client, they are installed first and its sources are built with exactly them.
install_clients() {
  local list name folder wanted
  for list in "$root"/tests/clients/*.txt; do
    name=$(basename "$list" .txt) folder=$cache/clients/$name
    wanted=$(cat "$list" "${list%.txt}.build" 2> /dev/null || true)
    [ "$wanted" = "$(cat "$folder/installed.txt" 2> /dev/null)" ] && continue
    rm -rf "$folder"
    if install_client "$list" "$folder" > "$log" 2>&1; then
      echo "$wanted" > "$folder/installed.txt"
      echo "installed: $name"
    else
      echo "not installed, tests that need it are skipped: $name (see $log)"
    fi
  done
}

install_client() {
  local list=$1 folder=$2 builders=${1%.txt}.build options=(install --quiet --disable-pip-version-check --no-deps)
  python3 -m venv "$folder" || return
  if [ -e "$builders" ]; then
    "$folder/bin/pip" "${options[@]}" -r "$builders" || return
    options+=(--no-build-isolation)
  fi
  "$folder/bin/pip" "${options[@]}" -r "$list"
}

# MultiQC, which the quality report starts, in an environment of its own; tasks see it where an image has it.
install_multiqc() {
  local list=$root/scripts/gatk/multiqc.txt folder=$cache/gatk/multiqc version gatk
  version=$(sed -n 's,.*<gatk.version>\(.*\)</gatk.version>.*,\1,p' "$root/scripts/gatk/pom.xml")
  gatk=${BATCHYARD_GATK:-$cache/gatk/$version}
  if [ "$(cat "$list")" != "$(cat "$folder/installed.txt" 2> /dev/null)" ]; then
    rm -rf "$folder"
    if install_client "$list" "$folder" > "$log" 2>&1; then
      cp "$list" "$folder/installed.txt"
      echo "installed: multiqc"
    else
      rm -rf "$folder"
      echo "not installed, reports go without it: multiqc (see $log)"
      return
    fi
  fi
  (cd "$gatk/root" && ln -sfn "$folder/bin/multiqc" usr/local/bin/multiqc)
}

build=(cc=build-essential make=build-essential)
demo=(
  bwa=bwa samtools=samtools bcftools=bcftools tabix=tabix java=default-jre-headless
  /usr/share/java/picard.jar=picard-tools python3=python3
)
gatk=("/usr/lib/python3*/ensurepip/__init__.py=python3-venv" mvn=maven "/usr/lib/*/libgomp.so.1=libgomp1" flock=util-linux)
test=(
  mariadbd=mariadb-server "/usr/lib/postgresql/*/bin/initdb=postgresql" podman=podman crun=crun newuidmap=uidmap busybox=busybox-static pip3=python3-pip
  javac=default-jdk-headless /usr/share/java/typesafe-config.jar=libtypesafe-config-java
  "/usr/lib/python3*/ensurepip/__init__.py=python3-venv"
  munged=munge slurmctld=slurmctld slurmd=slurmd sbatch=slurm-client
  /usr/lib/gridengine/sge_qmaster=gridengine-master /usr/lib/gridengine/sge_execd=gridengine-exec /usr/lib/gridengine/qconf=gridengine-client
)

case ${1:-build} in
  build) mapfile -t needed < <(missing_packages "${build[@]}") && install_packages "${needed[@]}" ;;
  demo)
    mapfile -t needed < <(missing_packages "${build[@]}" "${demo[@]}") && install_packages "${needed[@]}"
    fetch_example_reads
    ;;
  gatk)
    mapfile -t needed < <(missing_packages "${build[@]}" "${demo[@]}" "${gatk[@]}") && install_packages "${needed[@]}"
    fetch_published_pipelines
    "$root/scripts/gatk/install.sh"
    install_multiqc
    ;;
  test)
    mapfile -t needed < <(missing_packages "${build[@]}") && install_packages "${needed[@]}"
    mapfile -t wanted < <(missing_packages "${demo[@]}" "${test[@]}") && install_if_possible "${wanted[@]}"
    fetch_published_pipelines
    install_clients
    ;;
  *) fail "unknown argument \`$1\`" "usage: $0 [demo|gatk|test]" ;;
esac
check_rust
