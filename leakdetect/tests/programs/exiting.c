/* Ends by exit() while other threads allocate and fork. The children end at once. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

enum {
    THREADS = 3,
    BUFFERS = 100,   /* between two forks */
    BEFORE_US = 4000 /* what the threads have before the end */
};

static void *work(void *unused) {
    for (;;) {
        for (int i = 0; i < BUFFERS; i++) {
            poolbuf *buffer = poolbuf_allocate(NULL, 100, 100);
            if (buffer != NULL) {
                poolbuf_release(buffer);
            }
        }
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        if (child > 0) {
            (void)waitpid(child, NULL, 0);
        }
    }
    return unused;
}

int main(void) {
    pthread_t thread;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&thread, NULL, work, NULL) != 0) {
            return 1;
        }
    }
    (void)usleep(BEFORE_US);
    exit(0);
}
