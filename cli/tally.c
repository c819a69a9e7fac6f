/* See tally.h. */
#include "tally.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "tally_page.h"

#define TALLY_NAME "tally"

static bool name_in(const scratch *folder, char *path, size_t size) {
    const int length = snprintf(path, size, "%s/%s", folder->path, TALLY_NAME);
    return length > 0 && (size_t)length < size;
}

bool tally_make(const scratch *folder, char *path, size_t size) {
    const tally_page fresh = {.magic = TALLY_MAGIC};
    FILE *file = name_in(folder, path, size) ? fopen(path, "wxe") : NULL;
    bool fine = file != NULL && fwrite(&fresh, sizeof fresh, 1, file) == 1;
    if (file != NULL) {
        fine = fclose(file) == 0 && fine;
    }
    if (!fine) {
        input_error("%s: %s", folder->path, strerror(errno));
    }
    return fine;
}

tally_count tally_read(const scratch *folder) {
    char path[SCRATCH_PATH_SIZE + SCRATCH_NAME_SIZE];
    tally_page now = {0};
    FILE *file = name_in(folder, path, sizeof path) ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return (tally_count){0};
    }
    const bool whole = fread(&now, sizeof now, 1, file) == 1 && now.magic == TALLY_MAGIC;
    (void)fclose(file);
    return whole ? (tally_count){atomic_load(&now.lost), atomic_load(&now.first)} : (tally_count){0};
}
