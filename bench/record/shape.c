/* Shapes as counts and as text; shape_play.c turns one into a trace. */
#include "record/shape.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

unsigned shape_size_class(uint32_t size) {
    unsigned i = 0;
    while (i + 1 < SHAPE_SIZES && (UINT32_C(1) << i) < size) {
        i++;
    }
    return i;
}

unsigned shape_life_class(uint64_t allocations) {
    unsigned i = 0;
    while (i + 1 < SHAPE_LIVES && allocations >> i != 0) {
        i++;
    }
    return i;
}

uint64_t shape_life_low(unsigned index) {
    return index == 0 ? 0 : UINT64_C(1) << (index - 1);
}

/* A buffer that is live now. */
typedef struct lived {
    uint64_t born; /* allocations before its own */
    uint32_t size; /* the largest that it had; 0: the slot is empty */
    uint32_t thread;
} lived;

typedef struct measure {
    shape *out;
    lived *slots;
    uint64_t live_buffers;
} measure;

static void count_event(measure *self, const trace_event *event) {
    lived *buffer = &self->slots[event->slot];
    shape *out = self->out;
    switch ((trace_kind)event->kind) {
    case TRACE_ALLOCATE:
        *buffer = (lived){out->buffer_count++, event->size, event->thread};
        self->live_buffers++;
        out->peak_live_buffers =
            self->live_buffers > out->peak_live_buffers ? self->live_buffers : out->peak_live_buffers;
        break;
    case TRACE_RESIZE:
        out->resizes++;
        buffer->size = event->size > buffer->size ? event->size : buffer->size;
        break;
    case TRACE_RELEASE: {
        const unsigned life = shape_life_class(out->buffer_count - buffer->born - 1);
        out->counts[shape_size_class(buffer->size)][life][event->thread != buffer->thread]++;
        buffer->size = 0;
        self->live_buffers--;
        break;
    }
    default:
        break;
    }
}

bool shape_measure(const trace *of, shape *out, char *error, size_t error_size) {
    measure self = {.out = out, .slots = calloc(of->slot_count + 1u, sizeof *self.slots)};
    *out = (shape){.threads = of->thread_count,
                   .peak_live_bytes = of->peak_live_bytes,
                   .clamped_sizes = of->summary.clamped_sizes,
                   .dropped_events = of->summary.dropped_events};
    if (self.slots == NULL) {
        (void)snprintf(error, error_size, "not enough memory for the shape");
        return false;
    }
    for (uint64_t i = 0; i < of->event_count; i++) {
        count_event(&self, &of->events[i]);
    }
    for (uint32_t s = 0; s < of->slot_count; s++) {
        if (self.slots[s].size != 0) {
            out->counts[shape_size_class(self.slots[s].size)][SHAPE_KEPT][0]++;
        }
    }
    free(self.slots);
    if (out->buffer_count == 0 || out->buffer_count > SHAPE_BUFFERS_MAX) {
        (void)snprintf(error, error_size,
                       "a shape is of 1 to %" PRIu32 " buffers, and here are %" PRIu64 "; see --max-events",
                       SHAPE_BUFFERS_MAX, out->buffer_count);
        return false;
    }
    return true;
}

static void write_cell(FILE *file, const shape *from, unsigned size, unsigned life, unsigned hop) {
    const uint64_t count = from->counts[size][life][hop];
    if (count != 0) {
        fprintf(file, "buffers %" PRIu32 " ", UINT32_C(1) << size);
        fprintf(file, life == SHAPE_KEPT ? "kept" : "%" PRIu64, shape_life_low(life));
        fprintf(file, " %s %" PRIu64 "\n", hop != 0 ? "other" : "same", count);
    }
}

/* What the recording lacks. A shape that has one of these lines has version 2. */
static void write_losses(FILE *file, const shape *from) {
    if (from->dropped_events != 0) {
        fprintf(file, "# The recording ended before the program did.\ncut-off\n");
    }
    if (from->clamped_sizes != 0) {
        fprintf(file, "# So many sizes were larger than a recording can say, and count as the largest that it can.\n");
        fprintf(file, "clamped %" PRIu64 "\n", from->clamped_sizes);
    }
}

bool shape_write(FILE *file, const shape *from, char *error, size_t error_size) {
    const bool is_whole = from->dropped_events == 0 && from->clamped_sizes == 0;
    fprintf(file,
            "poolbuf-shape %u\n"
            "# Counts alone: no order, addresses, contents, names or times. Play it with `poolbuf run FILE`.\n"
            "threads %" PRIu32 "\nresizes %" PRIu64 "\npeak %" PRIu64 " buffers %" PRIu64 " bytes\n",
            is_whole ? SHAPE_VERSION_PLAIN : SHAPE_VERSION, from->threads, from->resizes, from->peak_live_buffers,
            from->peak_live_bytes);
    write_losses(file, from);
    fprintf(
        file,
        "# buffers SIZE LIFE HOP COUNT: of at most SIZE bytes and more than half of it; that live for LIFE to less\n"
        "# than twice LIFE allocations of others; released by the same thread or another one\n");
    for (unsigned size = 0; size < SHAPE_SIZES; size++) {
        for (unsigned life = 0; life <= SHAPE_KEPT; life++) {
            write_cell(file, from, size, life, 0);
            write_cell(file, from, size, life, 1);
        }
    }
    if (fflush(file) != 0 || ferror(file) != 0) {
        (void)snprintf(error, error_size, "cannot write the shape: %s", strerror(errno));
        return false;
    }
    return true;
}

/* A file on its way into a shape. */
typedef struct reader {
    const char *path;
    unsigned line;
    shape *out;
    unsigned version; /* 0: no title has been read */
    bool has_threads, has_resizes, has_peak;
    char *error;
    size_t error_size;
} reader;

__attribute__((format(printf, 2, 3))) static bool fail(const reader *self, const char *format, ...) {
    va_list args;
    int n = snprintf(self->error, self->error_size, "%s:%u: ", self->path, self->line);
    va_start(args, format);
    if (n >= 0 && (size_t)n < self->error_size) {
        (void)vsnprintf(self->error + n, self->error_size - (size_t)n, format, args);
    }
    va_end(args);
    return false;
}

#define WORDS_MAX 6u

/* Cuts a line at blanks, in place; more than WORDS_MAX words count as WORDS_MAX. */
static size_t split(char *line, char *words[WORDS_MAX]) {
    size_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " \t\r", &rest)) {
        words[count++] = word;
    }
    return count;
}

static bool read_number(const reader *self, const char *word, uint64_t low, uint64_t high, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    *out = isdigit((unsigned char)word[0]) ? strtoull(word, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || *out < low || *out > high) {
        return fail(self, "\"%.40s\" is not a whole number from %" PRIu64 " to %" PRIu64, word, low, high);
    }
    return true;
}

static bool read_buffers(const reader *self, char *const words[WORDS_MAX]) {
    uint64_t size = 0;
    uint64_t life = 0;
    uint64_t count = 0;
    unsigned index = SHAPE_KEPT;
    const bool hops = strcmp(words[3], "other") == 0;
    if (!read_number(self, words[1], 1, UINT32_C(1) << (SHAPE_SIZES - 1), &size) ||
        !read_number(self, words[4], 1, SHAPE_BUFFERS_MAX, &count)) {
        return false;
    }
    if (strcmp(words[2], "kept") != 0) {
        if (!read_number(self, words[2], 0, shape_life_low(SHAPE_LIVES - 1), &life)) {
            return false;
        }
        index = shape_life_class(life);
    }
    if ((size & (size - 1)) != 0 || (life & (life - 1)) != 0) {
        return fail(self, "SIZE and LIFE are powers of two, LIFE may be 0 or kept");
    }
    if (!hops && strcmp(words[3], "same") != 0) {
        return fail(self, "\"%.40s\" is no HOP; legal: same, other", words[3]);
    }
    if (hops && (index == SHAPE_KEPT || self->out->threads == 1)) {
        return fail(self, index == SHAPE_KEPT ? "what is kept is released by nobody; legal: same"
                                              : "with one thread there is no other; legal: same");
    }
    uint64_t *cell = &self->out->counts[shape_size_class((uint32_t)size)][index][hops];
    if (*cell != 0) {
        return fail(self, "these buffers are there twice; once is right");
    }
    *cell = count;
    self->out->buffer_count += count;
    return self->out->buffer_count <= SHAPE_BUFFERS_MAX ||
           fail(self, "there are more than %" PRIu32 " buffers up to here; fewer are right", SHAPE_BUFFERS_MAX);
}

/* What a shape says once. */
static bool read_once(const reader *self, const char *word, bool *is_there) {
    if (*is_there) {
        return fail(self, "\"%s\" is there twice; once is right", word);
    }
    *is_there = true;
    return true;
}

static bool read_words(reader *self, char *const words[WORDS_MAX], size_t count) {
    uint64_t number = 0;
    if (strcmp(words[0], "threads") == 0 && count == 2) {
        const bool fine =
            read_once(self, words[0], &self->has_threads) && read_number(self, words[1], 1, TRACE_THREADS_MAX, &number);
        self->out->threads = (uint32_t)number;
        return fine;
    }
    if (strcmp(words[0], "resizes") == 0 && count == 2) {
        return read_once(self, words[0], &self->has_resizes) &&
               read_number(self, words[1], 0, TRACE_EVENTS_MAX, &self->out->resizes);
    }
    if (strcmp(words[0], "peak") == 0 && count == 5 && strcmp(words[2], "buffers") == 0 &&
        strcmp(words[4], "bytes") == 0) {
        return read_once(self, words[0], &self->has_peak) &&
               read_number(self, words[1], 0, TRACE_EVENTS_MAX, &self->out->peak_live_buffers) &&
               read_number(self, words[3], 0, INT64_MAX, &self->out->peak_live_bytes);
    }
    if (strcmp(words[0], "cut-off") == 0 && count == 1 && self->version == SHAPE_VERSION) {
        bool is_there = self->out->dropped_events != 0;
        self->out->dropped_events = 1;
        return read_once(self, words[0], &is_there);
    }
    if (strcmp(words[0], "clamped") == 0 && count == 2 && self->version == SHAPE_VERSION) {
        bool is_there = self->out->clamped_sizes != 0;
        return read_once(self, words[0], &is_there) &&
               read_number(self, words[1], 1, TRACE_EVENTS_MAX, &self->out->clamped_sizes);
    }
    if (strcmp(words[0], "buffers") == 0 && count == 5) {
        return self->has_threads ? read_buffers(self, words)
                                 : fail(self, "\"threads N\" is missing; it stands before the first buffers");
    }
    return fail(self,
                "\"%.40s\" with %zu words is no line of a shape; legal: threads N, resizes N, peak N buffers M "
                "bytes, buffers SIZE LIFE HOP COUNT%s",
                words[0], count, self->version == SHAPE_VERSION ? ", cut-off, clamped N" : "");
}

/* H2. What is kept outlives everything, and takes any place. */
static bool check_lives(const reader *self) {
    const shape *out = self->out;
    uint64_t longer = 0;
    for (unsigned life = SHAPE_LIVES; life-- > 0;) {
        for (unsigned size = 0; size < SHAPE_SIZES; size++) {
            longer += out->counts[size][life][0] + out->counts[size][life][1];
        }
        if (longer != 0 && longer + shape_life_low(life) > out->buffer_count) {
            return fail(self,
                        "%" PRIu64 " of %" PRIu64 " buffers live for %" PRIu64 " allocations or more; at most %" PRIu64
                        " can",
                        longer, out->buffer_count, shape_life_low(life),
                        out->buffer_count > shape_life_low(life) ? out->buffer_count - shape_life_low(life) : 0);
        }
    }
    return true;
}

static bool read_title(reader *self, char *const words[WORDS_MAX], size_t count) {
    if (count != 2 || strcmp(words[0], "poolbuf-shape") != 0) {
        return fail(self,
                    "this is not a shape: it does not start with \"poolbuf-shape 1\"; make one with `poolbuf record "
                    "--shape`");
    }
    uint64_t version = 0;
    const bool fine = read_number(self, words[1], SHAPE_VERSION_PLAIN, SHAPE_VERSION, &version);
    self->version = (unsigned)version;
    return fine || fail(self, "shapes of version \"%.40s\" are not known; this program reads %u to %u", words[1],
                        SHAPE_VERSION_PLAIN, SHAPE_VERSION);
}

static bool read_text(reader *self, char *text) {
    char *next = text;
    while (next != NULL && *next != '\0') {
        char *words[WORDS_MAX];
        char *line = next;
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        self->line++;
        const size_t count = split(line, words);
        if (count == 0 || words[0][0] == '#') {
            continue;
        }
        if (!(self->version == 0 ? read_title(self, words, count) : read_words(self, words, count))) {
            return false;
        }
    }
    if (self->out->buffer_count == 0) {
        return fail(self, "it ends without buffers; at least one line of them is right");
    }
    return check_lives(self);
}

bool shape_read(const char *path, shape *out, char *error, size_t error_size) {
    reader self = {.path = path, .out = out, .error_size = error_size};
    self.error = error;
    *out = (shape){0};
    FILE *file = trace_open(path);
    if (file == NULL) {
        (void)snprintf(error, error_size, "%s: cannot open the shape: %s; give the path of a .pbshape file", path,
                       strerror(errno));
        return false;
    }
    struct stat status;
    const bool is_regular = fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    char *text = is_regular ? malloc(SHAPE_FILE_MAX + 1) : NULL;
    const size_t size = text != NULL ? fread(text, 1, SHAPE_FILE_MAX + 1, file) : 0;
    bool fine = text != NULL && size <= SHAPE_FILE_MAX && ferror(file) == 0;
    (void)fclose(file);
    if (!is_regular) {
        (void)snprintf(error, error_size, "%s: it is no regular file; give the path of a .pbshape file", path);
    } else if (!fine) {
        (void)snprintf(error, error_size, "%s: it cannot be read, or has more than %zu bytes; a shape has a few KiB",
                       path, SHAPE_FILE_MAX);
    } else if (memchr(text, '\0', size) != NULL) {
        self.line = 1;
        fine = fail(&self, "this is not a shape: it is no text; make one with `poolbuf record --shape`");
    } else {
        text[size] = '\0';
        fine = read_text(&self, text);
    }
    free(text);
    return fine;
}
