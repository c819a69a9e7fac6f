/* Memcheck's XML, protocol 4, element by element: only one <error> is in memory at a time, so a report of any length can
 * be read, and one that breaks off gives all whole elements before the break. */
#include "reports/valgrind_xml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlreader.h>

#define FRAME_LIMIT  512  /* more than --num-callers allows */
#define COUNTS_LIMIT 4096 /* errors of use whose repeats are counted; Memcheck stops at 1,000 different ones */

#define PARSE_OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)

#define ROOT_END "</valgrindoutput>"

/* What the XML reader is shown of a file. */
typedef struct source {
    FILE *file;
    long left;          /* bytes of the file that are still to be shown */
    const char *ending; /* what follows them: the root's end, where the file has none */
    bool is_whole;
} source;

typedef struct repeat {
    uint64_t unique; /* Memcheck's number of the error */
    uint64_t count;  /* its part of the group's */
    leaks_group *group;
} repeat;

/* One call site that leaks. A pool buffer is two blocks there: its handle, and its bytes. */
typedef struct site {
    leaks_group *group;
    uint64_t handles, handle_bytes;
    uint64_t blocks, block_bytes; /* bytes of buffers, or plain blocks */
    size_t rank;                  /* of the kinds seen, the worst: an index of KINDS */
} site;

typedef struct intake {
    leaks_model *model;
    leaks_process *process;
    valgrind_xml_summary *summary;
    site *sites;
    size_t site_count;
    repeat repeats[COUNTS_LIMIT];
    size_t repeat_count;
} intake;

/* ---- elements ---- */

static bool is_element(const xmlNode *node, const char *name) {
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *child(const xmlNode *parent, const char *name) {
    for (const xmlNode *node = parent == NULL ? NULL : parent->children; node != NULL; node = node->next) {
        if (is_element(node, name)) {
            return node;
        }
    }
    return NULL;
}

static const char *text_of(const xmlNode *element) {
    const xmlNode *text = element == NULL ? NULL : element->children;
    return text == NULL || text->content == NULL ? NULL : (const char *)text->content;
}

static const char *child_text(const xmlNode *parent, const char *name) {
    return text_of(child(parent, name));
}

static uint64_t child_number(const xmlNode *parent, const char *name, uint64_t otherwise) {
    const char *text = child_text(parent, name);
    if (text == NULL) {
        return otherwise;
    }
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 0);
    return errno != 0 || end == text ? otherwise : value;
}

/* ---- words ---- */

/* The ways to be lost stand first, the worst in front: what is lost beyond doubt hides what might not be. */
static const struct {
    const char *theirs, *ours;
} KINDS[] = {
    {"Leak_DefinitelyLost", "definitely lost"},
    {"Leak_PossiblyLost", "possibly lost"},
    {"Leak_IndirectlyLost", "indirectly lost"},
    {"Leak_StillReachable", "still reachable"},
    {"InvalidRead", "invalid read"},
    {"InvalidWrite", "invalid write"},
    {"InvalidJump", "invalid jump"},
    {"InvalidFree", "invalid free"},
    {"InvalidMemPool", "invalid pool operation"},
    {"MismatchedFree", "mismatched free"},
    {"Overlap", "overlapping copy"},
    {"SyscallParam", "bad system call argument"},
    {"CoreMemError", "core memory error"},
    {"UninitValue", "uninitialised value"},
    {"UninitCondition", "uninitialised condition"},
    {"ClientCheck", "client check"},
    {"FishyValue", "suspicious argument"},
};

enum {
    KIND_COUNT = sizeof KINDS / sizeof KINDS[0]
};

/* An index of KINDS; KIND_COUNT for what is none. */
static size_t find_kind(const char *theirs) {
    size_t i = 0;
    while (i < KIND_COUNT && strcmp(KINDS[i].theirs, theirs) != 0) {
        i++;
    }
    return i;
}

/* ---- frames ---- */

static const char *base_name(const char *path) {
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Ours, whether linked as a shared object, linked in, or inlined from a public header. */
static bool is_library_frame(const xmlNode *frame) {
    const char *object = base_name(child_text(frame, "obj"));
    if (object != NULL && strncmp(object, "libpoolbuf.so", strlen("libpoolbuf.so")) == 0) {
        return true;
    }
    /* Compilers cut a path into its two halves at different places. */
    static const char *const OURS[] = {"/allocator/src/", "/leakdetect/src/", "/include/poolbuf/"};
    const char *folder = child_text(frame, "dir");
    const char *file = child_text(frame, "file");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "", file != NULL ? file : "");
    const char *name = base_name(path);
    for (size_t i = 0; i < sizeof OURS / sizeof OURS[0]; i++) {
        const size_t length = strlen(OURS[i]);
        if ((size_t)(name - path) >= length && strncmp(name - length, OURS[i], length) == 0) {
            return true;
        }
    }
    return false;
}

static size_t list_frames(const xmlNode *stack, const xmlNode **frames) {
    size_t count = 0;
    for (const xmlNode *node = stack == NULL ? NULL : stack->children; node != NULL; node = node->next) {
        if (is_element(node, "frame") && count < FRAME_LIMIT) {
            frames[count++] = node;
        }
    }
    return count;
}

static bool function_begins(const xmlNode *frame, const char *start) {
    const char *function = child_text(frame, "fn");
    return function != NULL && strncmp(function, start, strlen(start)) == 0;
}

/* How many frames to cut: the library's, when a caller is left below them. */
static size_t leading_library_frames(const xmlNode *const *frames, size_t count) {
    size_t cut = 0;
    while (cut < count && is_library_frame(frames[cut])) {
        cut++;
    }
    return cut < count ? cut : 0;
}

/* Memcheck writes 0x10A1B2, reports have lower-case digits. */
static const char *plain_address(model_arena *arena, const char *theirs) {
    char digits[32]; /* of 64 bits, and more than that nobody writes */
    size_t length = 0;
    while (theirs != NULL && theirs[length] != '\0' && length < sizeof digits - 1) {
        digits[length] = (char)tolower((unsigned char)theirs[length]);
        length++;
    }
    digits[length] = '\0';
    return theirs == NULL ? NULL : model_text(arena, digits);
}

static void fill_frame(leaks_model *model, leaks_frame *frame, const xmlNode *node, const xmlNode *caller) {
    const char *address = child_text(node, "ip");
    const char *folder = child_text(node, "dir");
    const char *file = child_text(node, "file");
    frame->address = plain_address(model->arena, address);
    frame->module = model_text(model->arena, child_text(node, "obj"));
    frame->function = model_text(model->arena, child_text(node, "fn"));
    frame->file = file == NULL     ? NULL
                  : folder == NULL ? model_text(model->arena, file)
                                   : model_text_format(model->arena, "%s/%s", folder, file);
    frame->line = child_number(node, "line", MODEL_UNKNOWN);
    const char *caller_address = caller == NULL ? NULL : child_text(caller, "ip");
    frame->inlined = address != NULL && caller_address != NULL && strcmp(address, caller_address) == 0;
}

/* FNV-1a over what does not change when the program is loaded elsewhere. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (const char *at = text == NULL ? "?" : text; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
    }
    return (hash ^ 0xff) * 0x100000001b3u;
}

static void make_fingerprint(const xmlNode *const *frames, size_t count, const char *kind, char *out, size_t size) {
    uint64_t hash = hash_text(0xcbf29ce484222325u, kind);
    for (size_t i = 0; i < count; i++) {
        const char *function = child_text(frames[i], "fn");
        hash = hash_text(hash, function != NULL ? function : base_name(child_text(frames[i], "obj")));
        hash = hash_text(hash, child_text(frames[i], "file"));
        hash = hash_text(hash, child_text(frames[i], "line"));
    }
    snprintf(out, size, "%016" PRIx64, hash);
}

/* ---- errors ---- */

/* The further stacks of an error: where the block that it concerns was allocated and, maybe, freed. */
static void add_accesses(leaks_model *model, leaks_group *group, const xmlNode *error) {
    const xmlNode *stack = child(error, "stack");
    const char *about = NULL;
    for (const xmlNode *node = stack == NULL ? NULL : stack->next; node != NULL; node = node->next) {
        if (is_element(node, "auxwhat")) {
            about = text_of(node);
        } else if (is_element(node, "stack") && about != NULL) {
            const char *kind = strstr(about, "free'd") != NULL    ? "release"
                               : strstr(about, "alloc'd") != NULL ? "allocate"
                                                                  : "access";
            leaks_access *access = leaks_group_add_access(model, group, kind);
            access->hint = model_text(model->arena, about);
            access->count = 1;
            const xmlNode *frames[FRAME_LIMIT];
            const size_t count = list_frames(node, frames);
            for (size_t i = leading_library_frames(frames, count); i < count; i++) {
                fill_frame(model, leaks_access_add_frame(model, access), frames[i],
                           i + 1 < count ? frames[i + 1] : NULL);
            }
        }
    }
}

static void set_thread(leaks_model *model, leaks_group *group, const xmlNode *error) {
    const char *name = child_text(error, "threadname");
    const char *number = child_text(error, "tid");
    group->thread = name != NULL     ? model_text(model->arena, name)
                    : number != NULL ? model_text_format(model->arena, "thread %s", number)
                                     : NULL;
}

/* An error's stack, and the part of it that is the user's. */
typedef struct trace {
    const xmlNode *frames[FRAME_LIMIT];
    size_t count, cut;
    bool is_buffer; /* announced by the library itself; what it took by malloc has Memcheck's frame on top */
} trace;

static void trace_read(trace *stack, const xmlNode *error) {
    stack->count = list_frames(child(error, "stack"), stack->frames);
    stack->cut = leading_library_frames(stack->frames, stack->count);
    stack->is_buffer = stack->count > 0 && is_library_frame(stack->frames[0]);
}

static leaks_group *add_group(leaks_model *model, const trace *stack, const char *fingerprint) {
    leaks_group *group = leaks_model_add_group(model, fingerprint);
    group->processes = 1;
    for (size_t i = stack->cut; i < stack->count; i++) {
        const xmlNode *caller = i + 1 < stack->count ? stack->frames[i + 1] : NULL;
        fill_frame(model, leaks_group_add_frame(model, group), stack->frames[i], caller);
    }
    return group;
}

static void set_count(leaks_group *group, uint64_t count) {
    group->count = count;
    group->estimated_count = (leaks_estimate){(double)count, (double)count, (double)count};
}

/* The site with this fingerprint, made if need be; NULL: no memory. */
static site *find_site(intake *in, const trace *stack, const char *fingerprint) {
    for (size_t i = 0; i < in->site_count; i++) {
        if (strcmp(in->sites[i].group->fingerprint, fingerprint) == 0) {
            return &in->sites[i];
        }
    }
    site *larger = realloc(in->sites, (in->site_count + 1) * sizeof *larger);
    if (larger == NULL) {
        return NULL;
    }
    in->sites = larger;
    in->summary->leak_groups++;
    larger[in->site_count] = (site){.group = add_group(in->model, stack, fingerprint), .rank = KIND_COUNT};
    return &larger[in->site_count++];
}

/* Whether a pool's block is the handle of a buffer and not its bytes. Without line tables the library's inner functions
 * have no names; then what is lost through another block must be the bytes. */
static bool is_handle(const trace *stack, const char *theirs) {
    if (function_begins(stack->frames[0], "poison_")) {
        return function_begins(stack->frames[0], "poison_handle_out");
    }
    return strcmp(theirs, "Leak_IndirectlyLost") != 0;
}

static void take_leak(intake *in, const xmlNode *error, const char *theirs) {
    trace stack;
    trace_read(&stack, error);
    if (!stack.is_buffer && strcmp(theirs, "Leak_StillReachable") == 0) {
        return;
    }
    char fingerprint[17];
    make_fingerprint(stack.frames + stack.cut, stack.count - stack.cut, stack.is_buffer ? "poolbuf" : theirs,
                     fingerprint, sizeof fingerprint);
    site *where = find_site(in, &stack, fingerprint);
    if (where == NULL) {
        return;
    }
    const xmlNode *what = child(error, "xwhat");
    const bool handle = stack.is_buffer && is_handle(&stack, theirs);
    *(handle ? &where->handles : &where->blocks) += child_number(what, "leakedblocks", 0);
    *(handle ? &where->handle_bytes : &where->block_bytes) += child_number(what, "leakedbytes", 0);
    const size_t rank = find_kind(theirs);
    where->rank = rank < where->rank ? rank : where->rank;
    leaks_group *group = where->group;
    group->type = stack.is_buffer ? "poolbuf" : "malloc";
    group->kind = where->rank < KIND_COUNT ? KINDS[where->rank].ours : "lost";
    group->bytes = where->block_bytes > 0 ? where->block_bytes : where->handle_bytes;
    set_count(group, where->handles > 0 ? where->handles : where->blocks);
}

/* The group of an error that was met at this place before. Memcheck tells errors apart by what lies beneath the caller's
 * line as well, so one call may be several of its errors. */
static leaks_group *find_misuse(const intake *in, const char *fingerprint) {
    for (size_t i = 0; i < in->repeat_count; i++) {
        if (strcmp(in->repeats[i].group->fingerprint, fingerprint) == 0) {
            return in->repeats[i].group;
        }
    }
    return NULL;
}

static void take_misuse(intake *in, const xmlNode *error, const char *theirs) {
    leaks_model *model = in->model;
    trace stack;
    trace_read(&stack, error);
    const size_t which = find_kind(theirs);
    const char *kind = which < KIND_COUNT ? KINDS[which].ours : model_text(model->arena, theirs);
    char fingerprint[17];
    make_fingerprint(stack.frames + stack.cut, stack.count - stack.cut, kind, fingerprint, sizeof fingerprint);
    leaks_group *group = find_misuse(in, fingerprint);
    if (group == NULL) {
        group = add_group(model, &stack, fingerprint);
        group->kind = kind;
        group->type = "memory error";
        set_thread(model, group, error);
        set_count(group, 0);
        add_accesses(model, group, error);
        in->summary->use_groups++;
    }
    set_count(group, group->count + 1);
    if (in->repeat_count < COUNTS_LIMIT) {
        in->repeats[in->repeat_count++] = (repeat){child_number(error, "unique", MODEL_UNKNOWN), 1, group};
    }
}

static void take_error(intake *in, const xmlNode *error) {
    const char *theirs = child_text(error, "kind");
    if (theirs != NULL && strncmp(theirs, "Leak_", strlen("Leak_")) == 0) {
        take_leak(in, error, theirs);
    } else if (theirs != NULL) {
        take_misuse(in, error, theirs);
    }
}

/* Errors of use are listed once; how often each happened stands at the end of the file. */
static void take_counts(intake *in, const xmlNode *counts) {
    for (const xmlNode *pair = counts->children; pair != NULL; pair = pair->next) {
        const uint64_t unique = is_element(pair, "pair") ? child_number(pair, "unique", MODEL_UNKNOWN) : MODEL_UNKNOWN;
        for (size_t i = 0; unique != MODEL_UNKNOWN && i < in->repeat_count; i++) {
            if (in->repeats[i].unique == unique) {
                repeat *error = &in->repeats[i];
                const uint64_t others = error->group->count - error->count;
                error->count = child_number(pair, "count", 1);
                set_count(error->group, others + error->count);
            }
        }
    }
}

/* ---- the file ---- */

static void take_element(intake *in, const xmlNode *element) {
    if (is_element(element, "pid")) {
        in->process->pid = strtoull(text_of(element) != NULL ? text_of(element) : "0", NULL, 10);
    } else if (is_element(element, "args")) {
        in->process->program = model_text(in->model->arena, child_text(child(element, "argv"), "exe"));
    } else if (is_element(element, "status")) {
        const char *state = child_text(element, "state");
        in->summary->finished = in->summary->finished || (state != NULL && strcmp(state, "FINISHED") == 0);
    } else if (is_element(element, "error")) {
        take_error(in, element);
    } else if (is_element(element, "errorcounts")) {
        take_counts(in, element);
    }
}

/* Walks the root's children. Returns whether the root was Memcheck's; a break in the file only ends the walk. */
static bool walk(xmlTextReaderPtr reader, intake *in) {
    int status = xmlTextReaderRead(reader);
    while (status == 1 && xmlTextReaderNodeType(reader) != XML_READER_TYPE_ELEMENT) {
        status = xmlTextReaderRead(reader);
    }
    if (status != 1 || strcmp((const char *)xmlTextReaderConstLocalName(reader), "valgrindoutput") != 0) {
        return false;
    }
    in->process = leaks_model_add_process(in->model);
    in->process->reason = "process exit";
    status = xmlTextReaderRead(reader);
    while (status == 1) {
        if (xmlTextReaderNodeType(reader) == XML_READER_TYPE_ELEMENT && xmlTextReaderDepth(reader) == 1) {
            const xmlNode *element = xmlTextReaderExpand(reader);
            if (element == NULL) {
                break;
            }
            take_element(in, element);
            status = xmlTextReaderNext(reader);
        } else {
            status = xmlTextReaderRead(reader);
        }
    }
    return true;
}

/* An XML reader that meets a break gives up more than the element that broke. So a report that breaks off is shown up to
 * the last element that it holds whole, and closed there. */
static bool source_init(source *from, const char *path) {
    *from = (source){.file = fopen(path, "re"), .ending = ""};
    if (from->file == NULL) {
        return false;
    }
    static const char *const ENDS[] = {ROOT_END, "</error>", "</status>", "</args>", "</pid>"};
    char *line = NULL;
    size_t size = 0;
    for (ssize_t length = 0; (length = getline(&line, &size, from->file)) >= 0;) {
        for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
            const char *found = NULL;
            for (const char *at = line; (at = strstr(at, ENDS[i])) != NULL; at += strlen(ENDS[i])) {
                found = at + strlen(ENDS[i]);
            }
            const long end = found == NULL ? 0 : ftell(from->file) - length + (found - line);
            from->left = end > from->left ? end : from->left;
            from->is_whole = from->is_whole || (i == 0 && found != NULL);
        }
    }
    free(line);
    from->ending = from->is_whole || from->left == 0 ? "" : ROOT_END;
    rewind(from->file);
    return true;
}

static int source_read(void *context, char *buffer, int size) {
    source *from = context;
    if (from->left > 0) {
        const size_t n = fread(buffer, 1, from->left < size ? (size_t)from->left : (size_t)size, from->file);
        from->left -= (long)n;
        return n > 0 ? (int)n : -1;
    }
    const size_t length = strlen(from->ending);
    const size_t n = length < (size_t)size ? length : (size_t)size;
    memcpy(buffer, from->ending, n);
    from->ending += n;
    return (int)n;
}

bool valgrind_xml_read(const char *path, leaks_model *model, valgrind_xml_summary *summary, char *error,
                       size_t error_size) {
    *summary = (valgrind_xml_summary){0};
    source from;
    if (!source_init(&from, path)) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    intake *in = calloc(1, sizeof *in);
    xmlTextReaderPtr reader = in == NULL ? NULL : xmlReaderForIO(source_read, NULL, &from, path, NULL, PARSE_OPTIONS);
    bool fine = false;
    if (reader == NULL) {
        snprintf(error, error_size, "%s: out of memory", path);
    } else {
        in->model = model;
        in->summary = summary;
        fine = walk(reader, in);
        summary->finished = summary->finished && from.is_whole;
        if (!fine) {
            snprintf(error, error_size, "%s: not a report of Memcheck's (its first element must be <valgrindoutput>)",
                     path);
        }
        xmlFreeTextReader(reader);
    }
    free(in != NULL ? in->sites : NULL);
    free(in);
    fclose(from.file);
    return fine;
}
