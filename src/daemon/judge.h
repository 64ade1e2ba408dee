/* Judging what a configuration names, beside the loop: files are read and keys derived as
 * connections will do it (net/relay_check.h), but no token is asked for its PIN. */
#pragma once

#include <systemd/sd-event.h>

#include "base/worker.h"
#include "daemon/log.h"
#include "net/relay_check.h"
#include "settings/config.h"

typedef struct Judge Judge;
typedef RelayJudgement JudgeResult;

/* Once, from the loop: one result for each relay. It frees the judge. */
typedef void (*JudgeDone)(void *user, Config *config, const JudgeResult *results);

/* 0, or a negative errno. */
int judge_start(
    sd_event *loop, Worker *worker, Config *config, JudgeDone done, void *user, Judge **ret);
void judge_free(Judge *judge); /* accepts NULL; `done` is not called any more */

/* The result's failure with the relay in front. Returns its errno. */
int judge_explain(const RelayConfig *relay, const JudgeResult *result, Failure *f);

/* Logs what is to be known of each relay though it works. */
void judge_tell_notices(Log *log, const Config *config, const JudgeResult *results);
