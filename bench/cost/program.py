"""What disassembly and debug information say of an instruction: is it locked, does it address the stack or what is
thread-local, and which functions stand there, those that were inlined among them."""
import functools
import pathlib
import re
import subprocess

LOCKED = re.compile(r"lock |xchg .*\(|mfence")
ON_STACK = re.compile(r"push|pop|call|ret|leave|.*\(%rsp")
OPERAND_ELSEWHERE = re.compile(r"(push|pop|call|jmp) .*\((?!%rsp)")
IN_REGISTERS = re.compile(r"bt[src]?[wlq]? +%\w+,%\w+$")
THREAD_LOCAL = re.compile(r".*%fs:")


def output(command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


@functools.lru_cache(maxsize=None)
def disassembly(path):
    """address -> text of each instruction of an object"""
    found = {}
    if not pathlib.Path(path).is_file():
        return found  # the vdso, and what callgrind knows no file of
    for line in output(["objdump", "-d", "--no-show-raw-insn", path]).splitlines():
        address, colon, words = line.partition(":\t")
        if colon:
            found[int(address, 16)] = words
    return found


def is_locked(path, address):
    return LOCKED.match(disassembly(path).get(address, "")) is not None


def is_on_stack(path, address, stores):
    """Whether what it loads, or what it stores, lies on the stack: a call through a pointer stores there alone."""
    text = disassembly(path).get(address, "")
    return ON_STACK.match(text) is not None and (stores or OPERAND_ELSEWHERE.match(text) is None)


def touches_nothing(path, address):
    """Of a bit test in a register valgrind says that it loads and stores below the stack: it does so itself."""
    return IN_REGISTERS.match(disassembly(path).get(address, "")) is not None


def is_thread_local(path, address):
    return THREAD_LOCAL.match(disassembly(path).get(address, "")) is not None


@functools.lru_cache(maxsize=None)
def symbols(path):
    """name -> address of each function; several of one name: a list"""
    found = {}
    for line in output(["nm", path]).splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tT":
            found.setdefault(words[2].split(".")[0], []).append(int(words[0], 16))
    return found


@functools.lru_cache(maxsize=None)
def variables(path):
    """[(address, size, name)] of an object's variables, by address"""
    found = []
    for line in output(["nm", "-S", path]).splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "bBdDrRvV":
            found.append((int(words[0], 16), int(words[1], 16), words[3]))
    return sorted(found)


def frames(path, addresses):
    """address -> [(function, file)], the innermost first; of an object without debug information its file alone"""
    if not pathlib.Path(path).is_file():
        return {address: [("?", "?")] for address in addresses}
    addresses = sorted(addresses)
    text = "\n".join(map(hex, addresses)) + "\n"
    lines = output(["addr2line", "-a", "-f", "-i", "-e", path], text).splitlines()
    found, current = {}, None
    position = 0
    while position < len(lines):
        if lines[position].startswith("0x"):
            current = found.setdefault(int(lines[position], 16), [])
            position += 1
            continue
        name, place = lines[position : position + 2]
        file = place.split(":")[0]
        current.append((name.split(".")[0], file if file != "??" else path))
        position += 2
    return found


@functools.lru_cache(maxsize=None)
def all_frames(path):
    return frames(path, disassembly(path))
