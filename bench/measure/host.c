/* Reads /proc and asks the processor; the build's facts are compiled in (bench/CMakeLists.txt). */
#include "measure/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

/* The value of the first line "name<tab>: value" of /proc/cpuinfo. */
static const char *cpu_name(model_arena *arena) {
    static const char name[] = "model name";
    char line[512];
    const char *found = NULL;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && found == NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (value != NULL && strncmp(line, name, sizeof name - 1) == 0) {
            value += 1 + strspn(value + 1, " ");
            value[strcspn(value, "\n")] = '\0';
            found = model_text(arena, value);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* What the processor says about who emulates it; a container is not seen from here. */
static const char *virtualization(void) {
#if defined(__x86_64__) || defined(__i386__)
    static const struct {
        const char *signature, *name;
    } known[] = {{"KVMKVMKVM", "kvm"},    {"VMwareVMware", "vmware"}, {"Microsoft Hv", "microsoft"},
                 {"XenVMMXenVMM", "xen"}, {"TCGTCGTCGTCG", "qemu"},   {"bhyve bhyve ", "bhyve"}};
    unsigned eax = 0;
    unsigned registers[3] = {0};
    unsigned features = 0;
    if (__get_cpuid(1, &eax, &registers[0], &features, &registers[1]) == 0) {
        return NULL;
    }
    if ((features & (1u << 31)) == 0) {
        return "none";
    }
    char signature[13] = {0};
    __cpuid(0x40000000, eax, registers[0], registers[1], registers[2]);
    memcpy(signature, registers, sizeof registers);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(signature, known[i].signature) == 0) {
            return known[i].name;
        }
    }
    return "unknown";
#else
    return NULL;
#endif
}

static uint64_t positive(long value) {
    return value > 0 ? (uint64_t)value : MODEL_UNKNOWN;
}

void host_describe(results_model *model) {
    struct utsname system;
    if (uname(&system) == 0) {
        model->host.kernel =
            model_text_format(model->arena, "%s %s %s", system.sysname, system.release, system.machine);
    }
    model->host.cpu = cpu_name(model->arena);
    model->host.virtualization = virtualization();
    model->host.cores = positive(sysconf(_SC_NPROCESSORS_ONLN));
    const uint64_t pages = positive(sysconf(_SC_PHYS_PAGES));
    model->host.memory_bytes = pages == MODEL_UNKNOWN ? pages : pages * positive(sysconf(_SC_PAGESIZE));
    model->build.compiler = POOLBUF_BUILD_COMPILER;
    model->build.type = POOLBUF_BUILD_TYPE;
    model->build.flags = POOLBUF_BUILD_FLAGS;
    model->tool_version = POOLBUF_BUILD_VERSION;
    char text[32];
    const time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) != 0) {
        model->created = model_text(model->arena, text);
    }
}

bool host_build_is_optimised(void) {
#if defined(__OPTIMIZE__) && defined(NDEBUG)
    return true;
#else
    return false;
#endif
}
