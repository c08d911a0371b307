#!/usr/bin/python3
"""A FUSE file system of one file that is opened and looked at, but never read or closed
(tests/it/failures/hostile_descriptors.rs).
Its argument is where it is mounted, for all users; it goes with this process."""
import ctypes, os, struct, sys

LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, BATCH_FORGET = 1, 2, 3, 14, 15, 18, 25, 26, 42
ATTRIBUTES = {1: (0o40755, 0), 2: (0o100444, 100000)}

device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
system = ctypes.CDLL(None, use_errno=True)
if system.mount(b"silent", sys.argv[1].encode(), b"fuse.silent", 6, options.encode()) != 0:
    sys.exit("mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)


def attributes(node):
    mode, size = ATTRIBUTES[node]
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


while True:
    request = os.read(device, 1 << 17)
    _, kind, unique, node = struct.unpack("<IIQQ", request[:24])
    if kind in (FORGET, BATCH_FORGET, READ, FLUSH):
        continue
    data, error = b"", 0
    if kind == INIT:
        data = struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 16, 16, 4096, 1, 1, 0, 0)
    elif kind == LOOKUP:
        data = struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + attributes(2)
    elif kind == GETATTR:
        data = struct.pack("<QII", 0, 0, 0) + attributes(node)
    elif kind == OPEN:
        data = struct.pack("<QII", 1, 0, 0)
    elif kind != RELEASE:
        error = -38  # ENOSYS
    os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
