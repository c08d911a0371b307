/* Preloaded into one of two httpds by bench/counting.py: the memory for counters cannot be made, so that nothing is counted.
 * No part of mod_wsgi. */

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int memfd_create(const char *name, unsigned int flags)
{
    if (strcmp(name, "mod_wsgi metrics") == 0) {
        errno = ENOMEM;
        return -1;
    }
    return syscall(SYS_memfd_create, name, flags);
}
