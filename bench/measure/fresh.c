/* Starts and joins the threads of fresh.h. */
#include "measure/fresh.h"

#include <pthread.h>

/* One life; in the frame of the thread that waits for it. */
typedef struct life {
    fresh_player play;
    subject_run *run;
    const stream_thread *part;
    bool good;
} life;

static void *live(void *user) {
    life *self = user;
    self->good = self->play(self->run, self->part->ops, self->part->op_count, 1);
    return NULL;
}

bool fresh_play(fresh_player play, subject_run *run, const stream_thread *part, uint32_t repeat) {
    life next = {.play = play, .run = run, .part = part, .good = true};
    for (; repeat != 0 && next.good && part->op_count != 0; repeat--) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live, &next) != 0) {
            return subject_fail(run, SUBJECT_NO_THREAD);
        }
        (void)pthread_join(thread, NULL);
    }
    return next.good;
}
