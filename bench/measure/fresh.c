/* Starts and joins the threads of fresh.h. */
#include "measure/fresh.h"

#include <pthread.h>
#include <stdatomic.h>

/* One life; in the frame of the thread that waits for it. */
typedef struct life {
    void (*play)(void *context);
    void *context;
} life;

static void *live(void *user) {
    const life *self = user;
    self->play(self->context);
    return NULL;
}

static bool is_fine(const subject_run *run) {
    return atomic_load_explicit(&run->failure, memory_order_relaxed) == SUBJECT_FINE;
}

bool fresh_play(void (*play)(void *context), void *context, subject_run *run, uint32_t repeat) {
    life next = {.play = play, .context = context};
    for (; repeat != 0 && is_fine(run); repeat--) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live, &next) != 0) {
            return subject_fail(run, SUBJECT_NO_THREAD);
        }
        (void)pthread_join(thread, NULL);
    }
    return is_fine(run);
}
