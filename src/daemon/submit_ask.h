/* Questions at the submission socket: the tool answers them, in a process of its own, and sees only
 * what the user who asks has queued. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/failure.h"
#include "base/worker.h"
#include "settings/config.h"

typedef struct SubmitQuestion SubmitQuestion;

SubmitQuestion *submit_question_new(uid_t user); /* NULL when memory is short */
void submit_question_free(SubmitQuestion *question);

/* The answer is for a terminal of so many columns, or for one that shows colours. */
void submit_question_columns(SubmitQuestion *question, size_t columns);
void submit_question_color(SubmitQuestion *question);

/* One more word of the tool's command line. 0 or -ENOMEM. */
int submit_question_add(SubmitQuestion *question, const char *word);

/* Has it answered beside the loop, when the turn of this user has come. What the tool prints and
 * what it says of failures can be read from the two descriptors, which the caller closes. 0 with a
 * job, to which the question belongs then; or a negative errno. */
int submit_question_ask(SubmitQuestion *question, Worker *worker, const Config *config,
    const char *const *overrides, int ret_fds[static 2], Job **ret);

/* Once the job has ended: the exit status, or a negative errno with a Failure. */
int submit_question_end(const Job *job, Failure *f);

DEFINE_CLEANUP(SubmitQuestion, submit_question_free);
