/* A program to be recorded, without a line of C++: what a C++ program's `new` and `delete` call, each form with a size of
 * its own. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* An operator, as whoever is first in the search order has it. */
static void *make(const char *symbol, size_t size, size_t alignment) {
    void *(*function)(size_t, size_t) = NULL; /* an operator without the second parameter does not look at it */
    void *found = dlsym(RTLD_DEFAULT, symbol);
    memcpy(&function, &found, sizeof function);
    if (function == NULL) {
        abort();
    }
    return function(size, alignment);
}

static void drop(const char *symbol, void *memory, size_t size_or_alignment) {
    void (*function)(void *, size_t) = NULL;
    void *found = dlsym(RTLD_DEFAULT, symbol);
    memcpy(&function, &found, sizeof function);
    if (function == NULL) {
        abort();
    }
    function(memory, size_or_alignment);
}

/* With an argument, the C++ library comes late, and in a scope of its own, as with a module that an interpreter loads. */
int main(int argc, char **argv) {
    if (argc > 1 && dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) == NULL) {
        return 1;
    }
    drop("_ZdlPv", make("_Znwm", 9001, 0), 0);
    drop("_ZdaPvm", make("_Znam", 9002, 0), 9002);
    drop("_ZdlPvSt11align_val_t", make("_ZnwmSt11align_val_t", 9024, 64), 64);
    drop("_ZdaPvRKSt9nothrow_t", make("_ZnamRKSt9nothrow_t", 9004, 0), 0);
    return 0;
}
