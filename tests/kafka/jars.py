"""The jars of the Kafka broker that tests start: fetched once by Maven, then kept in ``.cache`` of the checkout."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_POM = Path(__file__).with_name("pom.xml")
_OLDEST_JAVA = 17
_FETCHING_LIMIT_S = 600


class NoKafka(RuntimeError):
    """No broker can be started on this machine."""


def java() -> str:
    """Return the path of a Java that runs Kafka 4.

    Raises:
        NoKafka: there is none, or it is too old.
    """
    path = shutil.which("java")
    if path is None:
        raise NoKafka("needs the command java (Debian, Ubuntu: apt-get install default-jre-headless)")
    told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise NoKafka(f"needs Java {_OLDEST_JAVA} or newer; got {told.splitlines()[:1]}")
    return path


def jars() -> Path:
    """Return the folder of the jars.

    Raises:
        NoKafka: they are not there, and Maven cannot fetch them.
    """
    folder = _ROOT / ".cache" / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise NoKafka("needs the command mvn (Debian, Ubuntu: apt-get install maven)")
    folder.parent.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".kafka-", dir=folder.parent))
    command = [maven, "--batch-mode", "--quiet", "--file", str(_POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={beside}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FETCHING_LIMIT_S)
        if done.returncode != 0:
            raise NoKafka(f"Maven cannot fetch the jars of Kafka: {done.stdout[-2000:]}")
        beside.rename(folder)
    except OSError:  # another run was first
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder
