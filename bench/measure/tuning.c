/* The variables that allocators read. */
#include "measure/tuning.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A name that ends in an asterisk is all that begin so, in any case, as mimalloc reads its own. glibc's are those of
 * malloc's tunables; jemalloc's has the beginning of its name from them. */
static const struct {
    subject_provider provider;
    const char *name;
} VARIABLES[] = {
    {SUBJECT_PROVIDER_LIBC, "GLIBC_TUNABLES"},         {SUBJECT_PROVIDER_LIBC, "MALLOC_ARENA_MAX"},
    {SUBJECT_PROVIDER_LIBC, "MALLOC_ARENA_TEST"},      {SUBJECT_PROVIDER_LIBC, "MALLOC_CHECK_"},
    {SUBJECT_PROVIDER_LIBC, "MALLOC_MMAP_MAX_"},       {SUBJECT_PROVIDER_LIBC, "MALLOC_MMAP_THRESHOLD_"},
    {SUBJECT_PROVIDER_LIBC, "MALLOC_PERTURB_"},        {SUBJECT_PROVIDER_LIBC, "MALLOC_TOP_PAD_"},
    {SUBJECT_PROVIDER_LIBC, "MALLOC_TRIM_THRESHOLD_"}, {SUBJECT_PROVIDER_JEMALLOC, "MALLOC_CONF"},
    {SUBJECT_PROVIDER_MIMALLOC, "MIMALLOC_*"},         {SUBJECT_PROVIDER_TCMALLOC, "TCMALLOC_*"},
};

static bool is_named(const char *variable, const char *name) {
    const size_t length = strlen(name);
    if (name[length - 1] == '*') {
        return strncasecmp(variable, name, length - 1) == 0;
    }
    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

const char *tuning_note(model_arena *arena, subject_provider provider) {
    const char *note = NULL;
    for (size_t i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++) {
        for (char **at = environ; VARIABLES[i].provider == provider && at != NULL && *at != NULL; at++) {
            if (is_named(*at, VARIABLES[i].name)) {
                note =
                    model_text_format(arena, "%s%s%s", note != NULL ? note : "", note != NULL ? " " : "tuned by ", *at);
            }
        }
    }
    return note;
}
