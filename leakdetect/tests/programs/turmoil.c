/* Everything at once for some seconds: threads that allocate, signals that ask for reports, a library that comes and goes, forks
 * whose children get signals too. It ends by itself unless something waits for ever.
 *
 *   turmoil SIGNAL PLUGIN SECONDS */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

static atomic_bool done;
static const char *plugin_path;

static void *allocate(void *unused) {
    (void)unused;
    poolbuf *kept[64] = {NULL};
    for (unsigned i = 0; !atomic_load(&done); i++) {
        poolbuf *buffer = poolbuf_allocate(NULL, 64 + i % 512, 4096);
        if (kept[i % 64] != NULL) {
            poolbuf_release(kept[i % 64]);
        }
        kept[i % 64] = poolbuf_retain(buffer);
        poolbuf_release(buffer);
    }
    for (unsigned i = 0; i < 64; i++) {
        if (kept[i] != NULL) {
            poolbuf_release(kept[i]);
        }
    }
    return NULL;
}

static void *load(void *unused) {
    (void)unused;
    while (!atomic_load(&done)) {
        void *plugin = dlopen(plugin_path, RTLD_NOW);
        if (plugin == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            exit(1);
        }
        dlclose(plugin);
    }
    return NULL;
}

static void *ask(void *number) {
    while (!atomic_load(&done)) {
        kill(getpid(), *(int *)number);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    return NULL;
}

/* It neither captures a stack nor exits in good order: where a fork finds another thread in dlopen(), the child's loader stays
 * locked for ever, and so does glibc's list of exit handlers where it finds one in dlclose(). */
static void child(int number) {
    raise(number);
    _exit(0);
}

int main(int count, char **arguments) {
    int number = count > 3 ? (int)strtol(arguments[1], NULL, 10) : 0;
    plugin_path = count > 3 ? arguments[2] : "";
    time_t end = time(NULL) + (count > 3 ? (int)strtol(arguments[3], NULL, 10) : 0);
    pthread_t threads[4];
    pthread_create(&threads[0], NULL, allocate, NULL);
    pthread_create(&threads[1], NULL, allocate, NULL);
    pthread_create(&threads[2], NULL, load, NULL);
    pthread_create(&threads[3], NULL, ask, &number);
    int forks = 0;
    while (time(NULL) < end) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            child(number);
        }
        if (waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "a child ended with %d\n", status);
            return 1;
        }
        forks++;
    }
    atomic_store(&done, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%d forks\n", forks);
    return 0;
}
