/* What the parts of the submission socket share with each other and with nobody else. */
#pragma once

#include "daemon/submit.h"
#include "daemon/submit_ask.h"
#include "daemon/submit_job.h"
#include "submit/protocol.h"
#include "submit/users.h"

typedef struct SubmitClient SubmitClient;

typedef enum SubmitStep {
    STEP_READING,    /* what it says */
    STEP_WORKING,    /* a job is done for it */
    STEP_RATE,       /* its message waits for its turn */
    STEP_COUNT,      /* its message waits for a count of the user's messages */
    STEP_READY,      /* its message waits for the next group */
    STEP_COMMITTING, /* its message is in the group */
    STEP_ENDING,     /* the last answer is to be sent */
} SubmitStep;

struct Submit {
    sd_event *loop;
    Worker *worker;
    Config *config;
    const char *const *overrides; /* of it, for who reads it once more */
    uid_t owner;                  /* of the queue directory */
    gid_t group;
    int fd;
    unsigned max, each; /* connections at a time, and of one user */
    bool stopped;
    char *path; /* to be removed at the end; NULL: it is not ours */
    sd_event_source *listener, *resume, *sweep;
    SubmitUsers users;
    SubmitClient *clients, *last;
    SubmitClient *ready[SUBMIT_CLIENTS_MAX];
    size_t n_ready;
    sd_event_source *start, *linger; /* of the next group: now, or in a moment */
    uint64_t accepted;               /* messages, in all */
    size_t last_n;                   /* messages of the last one */
    usec_t began, took;              /* monotonic; how long it took */
    Job *commit, *count;
    SubmitLink *link; /* to the database; NULL: there is none, or the group under way has it */
    sd_event_source *committed, *counted;
    usec_t counted_at; /* monotonic: the end of the last count; 0: none */
};

struct SubmitClient {
    Submit *submit;
    SubmitClient *previous, *next;
    int fd;
    uid_t uid;
    bool unlimited; /* root, or the owner of the directory */
    SubmitStep step;
    usec_t since; /* monotonic: the last progress */
    sd_event_source *io, *wait, *worked;
    SubmitParser parser;
    Buffer in, out;
    SubmitItem *item;
    SubmitQuestion *question;
    Job *job;
};

/* 0, and the descriptor is the client's; or a negative errno: -EBUSY when the user has too many. */
int submit_client_new(Submit *submit, int fd, uid_t uid, bool unlimited);
void submit_client_free(SubmitClient *client);

/* Whether nobody is there any more to hear what became of its message. */
bool submit_client_is_gone(const SubmitClient *client);

/* Lets go those who have closed their connections, which the loop has not come to yet. Whether
 * there were any. */
bool submit_clients_forget_gone(Submit *submit);

/* What became of its message, of which the item tells and is consumed. */
void submit_client_committed(SubmitClient *client, SubmitItem *item);

/* The count that it waited for is there. */
void submit_client_counted(SubmitClient *client);

/* An error ends the connection. */
void submit_client_fail(SubmitClient *client, const Failure *f);

/* The message of a client is let through: it comes with the next group. */
void submit_add(Submit *submit, SubmitClient *client);

/* Counts the messages of all users, for clients that wait for it. Whether it is being done: not
 * when there was a count just now. */
bool submit_recount(Submit *submit);

/* Where the queue is. */
SubmitPlace submit_place(const Submit *submit);

/* An error, in one line. 0 or -ENOMEM. */
int submit_format_error(const Failure *f, Buffer *out);
