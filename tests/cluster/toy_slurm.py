"""A Slurm cluster of two nodes on this machine: the distribution's own daemons, in one folder.

Needs the packages slurmctld, slurmd, slurm-client and munge; with accounting also slurmdbd and
mariadb-server.  Nothing outside the folder is touched, and all daemons end with the test.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
ACCOUNTING_PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb")
NODES = ("n1", "n2")
# More than there are: jobs of the tests mostly wait.
NODE_CPUS, NODE_MB = 8, 64000
# Daemons lie where a user's PATH may not lead.
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing(accounting: bool) -> list[str]:
    """Programs that are needed and not there."""
    programs = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    return [name for name in programs if not shutil.which(name, path=SEARCHED)]


class ToySlurm:
    """The cluster; a context manager that starts and stops it."""

    def __init__(self, folder: Path, accounting: bool) -> None:
        self.folder = folder
        self.accounting = accounting
        self.socket = folder / "munge.socket"
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.pathsep.join(
                [str(folder / "bin"), str(Path(sys.executable).parent), SEARCHED]
            ),
        }
        self._daemons = ExitStack()

    def __enter__(self) -> ToySlurm:
        try:
            self._start_munge()
            (self.folder / "slurm.conf").write_text(self._configuration())
            self._srun_that_finds_the_configuration()
            if self.accounting:
                self._start_accounting()
            self._daemon("slurmctld", "-D", "-i")
            for node in NODES:
                (self.folder / node).mkdir()
                self._daemon("slurmd", "-D", "-N", node, log=node)
            _wait(lambda: self.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "2")
        except BaseException:
            self._daemons.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.run("scancel", f"--user={getpass.getuser()}")
        with suppress(AssertionError):
            _wait(lambda: not self.run("squeue", "--noheader").strip())
        self._daemons.close()
        self._end_steps()

    def _end_steps(self) -> None:
        """Kill what jobs have left behind: those of a node that went down outlive it."""
        configuration = self.environment["SLURM_CONF"]
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                environment = process.environ()
                if environment.get("SLURM_CONF") == configuration and "SLURM_JOB_ID" in environment:
                    process.kill()

    def run(self, *command: str) -> str:
        """What one of Slurm's commands prints; empty if it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self) -> dict[str, dict[str, str]]:
        """All jobs that there have been, by number: what `scontrol show job` says of them."""
        found = {}
        for line in self.run("scontrol", "--oneliner", "show", "job").splitlines():
            fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if "JobId" in fields:
                found[fields["JobId"]] = fields
        return found

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        """Jobs of a rule or group, in the order of their submission."""
        of_rule = [job for job in self.jobs().values() if is_of(job, rule)]
        return sorted(of_rule, key=lambda job: int(job["JobId"]))

    def _daemon(self, program: str, *arguments: str, log: str | None = None, **env: str) -> None:
        """Start a daemon that stays in the foreground, to be ended with the cluster."""
        path = shutil.which(program, path=SEARCHED)
        assert path is not None
        with (self.folder / f"{log or program}.log").open("w") as output:
            process = subprocess.Popen(
                [path, *arguments],
                env={**self.environment, **env},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._daemons.callback(_end, process)

    def _start_munge(self) -> None:
        key, own = self.folder / "munge.key", self.folder / "munge"
        own.mkdir(mode=0o700)
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key": key, "socket": self.socket, "pid": own / "pid", "log": own / "log"}
        options = [f"--{name}-file={path}" for name, path in files.items() if name != "socket"]
        self._daemon(
            *("munged", "--foreground", "--force", f"--socket={self.socket}"),
            *(*options, f"--seed-file={own / 'seed'}"),
        )
        _wait(self.socket.exists)

    def _configuration(self) -> str:
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        database = _free_port()
        self._database_port = database
        settings = {
            "ClusterName": "toy",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": _free_port(),
            "SlurmUser": user,
            "SlurmdUser": user,
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.socket}",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            # Ends a job that takes more memory than it asked for, as control groups do elsewhere.
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            "JobAcctGatherParams": "OverMemoryKill",
            "MpiDefault": "none",
            "SlurmdParameters": "config_overrides",  # nodes need not be what they say
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "%n",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd.%n.pid",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory,CR_LLN",  # the node with least to do
            "SchedulerParameters": "sched_interval=2",
            "EnforcePartLimits": "ALL",  # what can never run is refused
            "ReturnToService": 2,
            "MaxArraySize": 100,
            "MinJobAge": 86400,  # the tests ask for all at the end
            "KillWait": 3,
            "JobRequeue": 0,  # what becomes of a job is left to Snakemake
            "GresTypes": "gpu",
            "AccountingStorageType": "accounting_storage/none",
        }
        if self.accounting:
            settings |= {
                "AccountingStorageType": "accounting_storage/slurmdbd",
                "AccountingStorageHost": "127.0.0.1",
                "AccountingStoragePort": database,
                "AccountingStoragePass": self.socket,
                "AccountingStorageTRES": "gres/gpu",
            }
        (self.folder / "state").mkdir()
        # Any character devices will do as long as nothing computes on them.
        gpus = ("/dev/null", "/dev/zero")
        (self.folder / "gres.conf").write_text("".join(f"Name=gpu File={name}\n" for name in gpus))
        nodes = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} "
            f"CPUs={NODE_CPUS} RealMemory={NODE_MB} Gres=gpu:2 State=UNKNOWN"
            for node in NODES
        ]
        partition = f"PartitionName=main Nodes={','.join(NODES)} Default=YES MaxTime=INFINITE"
        lines = [f"{name}={value}" for name, value in settings.items()]
        return "\n".join([*lines, *nodes, partition, ""])

    def _srun_that_finds_the_configuration(self) -> None:
        """Snakemake's job steps drop SLURM_CONF, which elsewhere stands in /etc."""
        shim = self.folder / "bin" / "srun"
        shim.parent.mkdir()
        srun = shutil.which("srun", path=SEARCHED)
        shim.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {srun} "$@"\n')
        shim.chmod(0o755)

    def _start_accounting(self) -> None:
        data, sql_socket, port = self.folder / "sql", self.folder / "sql.socket", _free_port()
        data.mkdir()
        user = "mysql" if os.geteuid() == 0 else getpass.getuser()
        shutil.chown(data, user)
        options = ("--no-defaults", f"--user={user}", f"--datadir={data}")
        subprocess.run(
            ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"],
            check=True,
            capture_output=True,
        )
        self._daemon(
            *("mariadbd", *options, f"--socket={data}/s", f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--pid-file={data}/pid"),
        )
        sql_socket = data / "s"
        say = ("mariadb", "--no-defaults", "-uroot", f"--socket={sql_socket}", "--execute")
        _wait(lambda: subprocess.run([*say, "select 1"], capture_output=True).returncode == 0)
        for host in ("127.0.0.1", "localhost"):
            grant = f"grant all on *.* to slurm@'{host}' identified by 'toy'"
            subprocess.run([*say, grant], check=True)
        settings = {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.socket}",
            "DbdHost": "localhost",
            "DbdAddr": "127.0.0.1",
            "DbdPort": self._database_port,
            "SlurmUser": getpass.getuser(),
            "PidFile": self.folder / "slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": port,
            "StorageUser": "slurm",
            "StoragePass": "toy",
            "StorageLoc": "accounting",
        }
        path = self.folder / "slurmdbd.conf"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        path.chmod(0o600)
        self._daemon("slurmdbd", "-D", SLURM_CONF=str(path))
        _wait(lambda: "Cluster" in self.run("sacctmgr", "list", "cluster"))
        for entry in (
            ("cluster", "toy"),
            ("account", "lab", "Description=lab", "Organization=lab"),
            ("user", getpass.getuser(), "Account=lab"),
        ):
            self.run("sacctmgr", "--immediate", "add", *entry)


def is_of(job: dict[str, str], rule: str) -> bool:
    """Whether a job is of a rule or group, which Snakemake's plugin leaves in the comment."""
    return re.match(rf"rule_{rule}(_|$)", job.get("Comment", "")) is not None


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the cluster does not come up"
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
