/* Reads /proc/self/status and writes /proc/self/clear_refs. */
#include "measure/memory_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The value of a line "VmRSS:    1234 kB", in bytes; 0 when there is none. */
static uint64_t field_bytes(const char *text, const char *name) {
    const char *line = strstr(text, name);
    if (line == NULL) {
        return 0;
    }
    errno = 0;
    const unsigned long long kibibytes = strtoull(line + strlen(name), NULL, 10);
    return errno == 0 ? (uint64_t)kibibytes * 1024 : 0;
}

bool memory_usage_read(memory_usage *usage) {
    char text[8192];
    *usage = (memory_usage){.resident_bytes = 0};
    const int descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    const ssize_t length = read(descriptor, text, sizeof text - 1);
    (void)close(descriptor);
    if (length <= 0) {
        return false;
    }
    text[length] = '\0';
    usage->resident_bytes = field_bytes(text, "\nVmRSS:");
    usage->peak_resident_bytes = field_bytes(text, "\nVmHWM:");
    return usage->resident_bytes != 0 && usage->peak_resident_bytes != 0;
}

bool memory_usage_reset_peak(void) {
    const int descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    const bool done = write(descriptor, "5", 1) == 1;
    (void)close(descriptor);
    return done;
}

memory_faults memory_faults_read(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return (memory_faults){.minor = 0};
    }
    return (memory_faults){.minor = (uint64_t)usage.ru_minflt, .major = (uint64_t)usage.ru_majflt};
}

memory_switches memory_switches_read(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return (memory_switches){.voluntary = 0};
    }
    return (memory_switches){.voluntary = (uint64_t)usage.ru_nvcsw, .involuntary = (uint64_t)usage.ru_nivcsw};
}
