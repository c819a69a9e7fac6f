/* Opens a plugin, uses it in two threads, closes it, and then forks and ends a thread: both call into the plugin still.
 *
 *   plugged PLUGIN */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int (*use)(void);
static sem_t used, closed;

static void *work(void *unused) {
    int failed = use();
    (void)sem_post(&used);
    (void)sem_wait(&closed);
    return failed == 0 ? unused : &use;
}

int main(int argc, char **argv) {
    pthread_t thread;
    void *result = NULL;
    void *plugin = dlopen(argc == 2 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);
    void *symbol = plugin == NULL ? NULL : dlsym(plugin, "use_and_release");
    if (symbol == NULL) {
        (void)fprintf(stderr, "plugged: %s\n", dlerror());
        return 1;
    }
    memcpy(&use, &symbol, sizeof use);
    if (sem_init(&used, 0, 0) != 0 || sem_init(&closed, 0, 0) != 0 || use() != 0 ||
        pthread_create(&thread, NULL, work, NULL) != 0) {
        return 2;
    }
    (void)sem_wait(&used);
    (void)dlclose(plugin);
    (void)sem_post(&closed);
    if (pthread_join(thread, &result) != 0 || result != NULL) {
        return 3;
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    int status = 1;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 4;
}
