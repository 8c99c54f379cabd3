"""Writes the jar that starts GATK: `java -jar gatk.jar TOOL ...`.

    main_jar.py JARS JAR

It holds nothing but a manifest, which names GATK's main class and every jar of the folder JARS. That gives the class
path a fixed order, and the packages that GATK must open count, as they do only in the manifest of the jar that is
started; they are taken from GATK's own.
"""

import os
import sys
import zipfile

# As the specification of jar files has it: 72 bytes without the line end, the rest goes on after a blank.
LINE = 72
TAKEN = ("Implementation-Title", "Implementation-Version", "Toolkit-Short-Name", "Main-Class", "Picard-Version")
TAKEN += ("htsjdk-Version", "Spark-Version", "Multi-Release", "Add-Opens")


def attributes(jar):
    """The main attributes of a jar's manifest."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read("META-INF/MANIFEST.MF").decode("utf-8")
    lines = text.replace("\r\n", "\n").replace("\n ", "").split("\n\n")[0].splitlines()
    return dict(line.split(": ", 1) for line in lines)


def folded(name, value):
    line = "%s: %s" % (name, value)
    parts = [line[:LINE]]
    parts += [" " + line[start : start + LINE - 1] for start in range(LINE, len(line), LINE - 1)]
    return "".join(part + "\r\n" for part in parts)


def manifest(names, gatk, folder):
    lines = [folded("Manifest-Version", "1.0")]
    lines += [folded(name, gatk[name]) for name in TAKEN if name in gatk]
    lines.append(folded("Class-Path", " ".join(folder + "/" + name for name in names)))
    return "".join(lines) + "\r\n"


def main(jars, target):
    names = sorted(name for name in os.listdir(jars) if name.endswith(".jar"))
    first = [name for name in names if name.startswith("gatk-4")]
    if len(first) != 1:
        sys.exit("main_jar: `%s` holds %d jars of GATK, not one" % (jars, len(first)))
    names = first + [name for name in names if name not in first]
    text = manifest(names, attributes(os.path.join(jars, first[0])), os.path.relpath(jars, os.path.dirname(target)))
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: main_jar.py JARS JAR")
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
