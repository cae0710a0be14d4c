import os
import signal
import subprocess
import sys
import threading

import pytest

from dinomm.preemption import PreemptedError, StopRequest


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
def test_notes_a_signal_and_gives_the_handlers_back(name, capfd):
    number = getattr(signal, name)
    former = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.noted and not stop.agreed() and not stop.agreed(wait=False)
        send(number)
        assert stop.noted and stop.agreed() and stop.agreed(wait=False) and stop.signal == name
    assert signal.getsignal(number) is former
    again = {'SIGTERM': 'second SIGTERM', 'SIGUSR1': 'SIGTERM', 'SIGINT': 'second Ctrl-C'}[name]
    said = f'{name}: the run writes a checkpoint and stops; a {again} stops it at once'
    assert said in capfd.readouterr().err


def test_sigterm_after_sigusr1_is_the_first_of_its_kind(capfd):
    with StopRequest() as stop:
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGTERM):
            send(number)
        assert stop.signal == 'SIGTERM'


def test_outside_the_main_thread_nothing_is_noted():
    former = signal.getsignal(signal.SIGTERM)

    def enter():
        with StopRequest() as stop:
            handlers.append(signal.getsignal(signal.SIGTERM))
            assert not stop.noted

    handlers: list = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert handlers == [former]


WORKER = """
import multiprocessing, os, signal, time
from dinomm.preemption import obey_parent_alone

def work(ready):
    obey_parent_alone()
    ready.set()
    time.sleep(60)

if __name__ == '__main__':
    context = multiprocessing.get_context({method!r})
    ready = context.Event()
    child = context.Process(target=work, args=(ready,), daemon=True)
    child.start()
    ready.wait()
    os.system(f'kill -TERM {{child.pid}}; kill -USR1 {{child.pid}}; kill -INT {{child.pid}}')
    child.join(0.5)
    print('alive' if child.is_alive() else 'dead')
    child.terminate()
    child.join(5)
    print('alive' if child.is_alive() else 'dead')
"""


@pytest.mark.skipif(not hasattr(signal, 'sigwaitinfo'), reason='cannot tell the sender')
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_a_worker_obeys_its_parent_alone(method, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(WORKER.format(method=method))
    end = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, 'PYTHONPATH': os.getcwd()},
    )
    assert end.stdout.split() == ['alive', 'dead'], end.stderr


def test_the_status_is_none_that_another_end_has():
    assert PreemptedError.exit_status not in (0, 1, 2) and PreemptedError.exit_status < 128
