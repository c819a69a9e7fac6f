/* Ends with a leak and with unflushed output, while another thread waits for input and so holds the lock of stdin. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <poolbuf/poolbuf.h>

static void *read_forever(void *unused) {
    (void)unused;
    while (getchar() != EOF) {
    }
    return NULL;
}

int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, read_forever, NULL) != 0) {
        return 1;
    }
    while (ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        usleep(1000);
    }
    printf("never flushed by hand\n");
    return poolbuf_allocate(NULL, 100, 100) == NULL;
}
