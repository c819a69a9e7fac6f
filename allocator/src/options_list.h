/* Every option of the library, once: the public table, the parser and the documentation are made from this list.
 *
 * A row: OPTION(id, environment variable, type, default, legal, minimum, maximum, help)
 *   type     FLAG, CHOICE (legal is the words, joined by '|'), COUNT, BYTES, PATH or TEXT
 *   default  as written in the environment; "" for none; "auto" for a number that the program works out
 *   minimum, maximum  of COUNT and BYTES; 0 elsewhere
 *
 * An option is listed only if it works. This file has no include guard on purpose: each includer defines OPTION. */
#ifndef OPTION
#error "define OPTION before including options_list.h"
#endif

OPTION(STRICT, "POOLBUF_STRICT", FLAG, "off", "on|off", 0, 0,
       "an unknown POOLBUF_ variable or an illegal value ends the process with code 2")
OPTION(POOLING, "POOLBUF_POOLING", FLAG, "on", "on|off", 0, 0,
       "off: every buffer is two blocks of malloc, so that Valgrind and AddressSanitizer see each one")
OPTION(MISUSE, "POOLBUF_MISUSE", CHOICE, "abort", "abort|count", 0, 0,
       "what follows the release or the use of a dead buffer")
OPTION(PREFER_DIRECT, "POOLBUF_PREFER_DIRECT", FLAG, "on", "on|off", 0, 0,
       "poolbuf_allocate() gives direct buffers; off: heap buffers")
OPTION(DIRECT_ARENAS, "POOLBUF_DIRECT_ARENAS", COUNT, "auto", "0 to 256, or auto: two a CPU", 0, 256,
       "arenas whose chunks are mapped; 0: direct buffers are not pooled")
OPTION(HEAP_ARENAS, "POOLBUF_HEAP_ARENAS", COUNT, "auto", "0 to 256, or auto: two a CPU", 0, 256,
       "arenas whose chunks come from the process heap; 0: heap buffers are not pooled")
OPTION(PAGE_SIZE, "POOLBUF_PAGE_SIZE", BYTES, "8k", "a power of two, 4k to 64k", 4096, 65536,
       "the unit in which chunks are cut")
OPTION(CHUNK_SIZE, "POOLBUF_CHUNK_SIZE", BYTES, "4m", "the page size times 8, 16, 32 .. 16384, at most 1g", 32768,
       1073741824, "what is taken from the system at once; larger buffers are huge")
OPTION(CLASSES_PER_DOUBLING, "POOLBUF_CLASSES_PER_DOUBLING", COUNT, "4", "4, or 8 if a chunk has 16 pages", 4, 8,
       "size classes between a power of two and the next: more waste less, and each has its own place in every cache")
OPTION(SMALL_CACHE_SIZE, "POOLBUF_SMALL_CACHE_SIZE", COUNT, "256", "0 to 65536", 0, 65536,
       "buffers that a thread caches for each small size class")
OPTION(NORMAL_CACHE_SIZE, "POOLBUF_NORMAL_CACHE_SIZE", COUNT, "64", "0 to 65536", 0, 65536,
       "buffers that a thread caches for each normal size class")
OPTION(MAX_CACHED_CAPACITY, "POOLBUF_MAX_CACHED_CAPACITY", BYTES, "4m", "0 to 1g", 0, 1073741824,
       "the largest size class that threads cache")
OPTION(CACHE_LIMIT_BYTES, "POOLBUF_CACHE_LIMIT_BYTES", BYTES, "16m", "0 to 1t", 0, 1099511627776,
       "what one thread's cache may hold; 0: no caches")
OPTION(CACHE_TRIM_INTERVAL, "POOLBUF_CACHE_TRIM_INTERVAL", COUNT, "8192", "0 (never) to 4294967294", 0, 4294967294,
       "allocations of a thread between two trims of its cache")
OPTION(CACHE_TRIM_INTERVAL_MS, "POOLBUF_CACHE_TRIM_INTERVAL_MS", COUNT, "0", "0 (never) to 4294967295", 0, 4294967295,
       "milliseconds between two trims of a thread's cache, for which its thread must allocate now and then")
OPTION(DECAY_MS, "POOLBUF_DECAY_MS", COUNT, "5000", "0 (at once) to 4294967295", 0, 4294967295,
       "milliseconds that an empty chunk or a free page waits to be needed again before it goes back to the system")
OPTION(BACKGROUND_THREAD, "POOLBUF_BACKGROUND_THREAD", FLAG, "off", "on|off", 0, 0,
       "a thread gives back what has waited so long; off: the next call that reaches an arena does")
OPTION(MEMORY_LIMIT, "POOLBUF_MEMORY_LIMIT", BYTES, "0", "0 (none), or at least the chunk size, to 1024t", 0,
       1125899906842624,
       "what the bytes of buffers may take from the system: chunks, spare ones too, huge and unpooled buffers")
OPTION(ALIGNMENT, "POOLBUF_ALIGNMENT", BYTES, "0", "0 (off), or a power of two up to the page size", 0, 65536,
       "what the memory of each direct buffer is aligned to; its class is rounded up to a multiple")
OPTION(HUGE_PAGES, "POOLBUF_HUGE_PAGES", CHOICE, "auto", "off|madvise|explicit|auto", 0, 0,
       "direct chunks: madvise asks the kernel for huge pages, explicit takes reserved ones, or ordinary ones if too "
       "few are left, auto asks the kernel from 32 MiB on")
OPTION(NUMA, "POOLBUF_NUMA", CHOICE, "off", "off|local|interleave", 0, 0,
       "which memory node the pages of direct chunks come from; needs libnuma.so.1")
OPTION(LEAK_LEVEL, "POOLBUF_LEAK_LEVEL", CHOICE, "simple", "disabled|simple|advanced|paranoid", 0, 0,
       "how closely buffers are watched for leaks")
OPTION(LEAK_SAMPLING_INTERVAL, "POOLBUF_LEAK_SAMPLING_INTERVAL", COUNT, "128", "1 to 1073741824", 1, 1073741824,
       "one in so many buffers is tracked, on average, at the levels simple and advanced")
OPTION(
    LEAK_SAMPLING_BYTES, "POOLBUF_LEAK_SAMPLING_BYTES", BYTES, "0", "0 (by count) to 1t", 0, 1099511627776,
    "sample by bytes instead: one sample in so many allocated, on average; larger buffers are likelier to be tracked")
OPTION(LEAK_DENSE_START, "POOLBUF_LEAK_DENSE_START", COUNT, "4096", "0 (none) to 1073741824", 0, 1073741824,
       "a process's first so many buffers are all tracked, later ones ever fewer until the interval is met")
OPTION(LEAK_TARGET_RECORDS, "POOLBUF_LEAK_TARGET_RECORDS", COUNT, "4", "0 to 64", 0, 64,
       "accesses kept for each tracked buffer at the levels advanced and paranoid")
OPTION(LEAK_FRAMES, "POOLBUF_LEAK_FRAMES", COUNT, "32", "1 to 64", 1, 64, "frames kept of a call stack")
OPTION(LEAK_TRACK_CLOSE, "POOLBUF_LEAK_TRACK_CLOSE", FLAG, "on", "on|off", 0, 0,
       "keep the stack of a tracked buffer's last release, for reports of misuse")
OPTION(LEAK_SCOPE_STACKS, "POOLBUF_LEAK_SCOPE_STACKS", FLAG, "off", "on|off", 0, 0,
       "scopes of tests (poolbuf/leakscope.h) keep stacks, and print where what they left was allocated")
OPTION(
    LEAK_UNWINDER, "POOLBUF_LEAK_UNWINDER", CHOICE, "cfi", "cfi|libunwind|fp|callsite", 0, 0,
    "how call stacks are captured: cfi reads .eh_frame itself and leaves to libunwind what it cannot; fp follows frame "
    "pointers, which the program must have been compiled with")
OPTION(LEAK_SEED, "POOLBUF_LEAK_SEED", COUNT, "0", "0 (random) to 18446744073709551614", 0, 18446744073709551614u,
       "seed of the sampler, for runs that can be repeated")
OPTION(LEAK_REPORT, "POOLBUF_LEAK_REPORT", PATH, "",
       "a path; %p in it is the process id, %t the time of its first report, %n the number of the report; .txt writes "
       "text, else JSON",
       0, 0, "where leak reports go instead of stderr")
OPTION(LEAK_NOTICE, "POOLBUF_LEAK_NOTICE", FLAG, "on", "on|off", 0, 0,
       "one line on stderr when the report in POOLBUF_LEAK_REPORT names leaks")
OPTION(LEAK_TALLY, "POOLBUF_LEAK_TALLY", PATH, "", "a file that `poolbuf leaks` has made", 0, 0,
       "set by `poolbuf leaks`: where a process counts reports that it could not write")
OPTION(LEAK_QUARANTINE_BYTES, "POOLBUF_LEAK_QUARANTINE_BYTES", BYTES, "1m", "0 (none) to 1g", 0, 1073741824,
       "at paranoid: released buffers that are kept out of use for a while, so that writes to them are found")
OPTION(LEAK_SIGNAL, "POOLBUF_LEAK_SIGNAL", TEXT, "off", "off, a name such as USR2 or RTMIN+3, or a number", 0, 0,
       "the signal on which a report of what is alive is written, while the program goes on")
OPTION(LEAK_INTERVAL_S, "POOLBUF_LEAK_INTERVAL_S", COUNT, "0", "0 (off) to 4294967", 0, 4294967,
       "seconds between such reports")
OPTION(LEAK_SCAN_INTERVAL_S, "POOLBUF_LEAK_SCAN_INTERVAL_S", COUNT, "0", "0 (off) to 4294967", 0, 4294967,
       "seconds between scans for buffers that nothing refers to; a report follows the scan that finds one lost")
OPTION(LEAK_EXIT_CODE, "POOLBUF_LEAK_EXIT_CODE", COUNT, "0", "0 (leave it) to 255", 0, 255,
       "exit code of a process that ends with leaks")
OPTION(LEAK_SUPPRESSIONS, "POOLBUF_LEAK_SUPPRESSIONS", PATH, "",
       "a file of rules, as LeakSanitizer and Valgrind have them", 0, 0,
       "leaks that are known, and counted rather than reported")
OPTION(SCENARIOS, "POOLBUF_SCENARIOS", PATH, "", "a folder", 0, 0,
       "where the command `poolbuf` finds scenarios and suites by name")
