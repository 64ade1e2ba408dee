/* delivery/blame: whose fault an end of a connection is, case by case. */
#include "delivery/blame.h"
#include "unit.h"

typedef struct Case {
    const char *what;
    DeliveryCause cause;
    DeliveryStage stage;
    int code;
    bool under_way, perhaps;
    LinkEnd end; /* but its outcome */
    Blame expected;
} Case;

#define IN_TURN(...)                                 \
    {                                                \
        .usable = true, .in_turn = true, __VA_ARGS__ \
    }

static const Case cases[] = {
    /* Before the session is usable it is the relay's, or a limit of its. */
    {"no connection", CAUSE_LOST, STAGE_CONNECT, 0, false, false, {.fresh = true},
        {.relay = BLAME_FAULT}},
    {"no connection beside others", CAUSE_LOST, STAGE_CONNECT, 0, false, false,
        {.fresh = true, .others = 3}, {.relay = BLAME_LIMIT}},
    {"421 in the greeting", CAUSE_REPLY, STAGE_GREETING, 421, false, false, {.fresh = true},
        {.relay = BLAME_FAULT}},
    {"421 in the greeting beside a long message", CAUSE_REPLY, STAGE_GREETING, 421, false, false,
        {.fresh = true, .others = 1}, {.relay = BLAME_LIMIT}},
    {"no connection in time beside others that are being opened", CAUSE_TIMEOUT, STAGE_CONNECT, 0,
        false, false, {.fresh = true, .others = 3}, {.relay = BLAME_FAULT}},
    {"no connection in time beside others that serve", CAUSE_TIMEOUT, STAGE_CONNECT, 0, false,
        false, {.fresh = true, .others = 3, .others_ready = 1}, {.relay = BLAME_LIMIT}},
    {"no name server beside others that serve", CAUSE_LOST, STAGE_LOOKUP, 0, false, false,
        {.fresh = true, .others = 3, .others_ready = 1}, {.relay = BLAME_FAULT}},
    {"refused for good in the greeting, as others will be", CAUSE_REPLY, STAGE_GREETING, 554, false,
        false, {.fresh = true, .others = 3}, {.relay = BLAME_FAULT}},
    {"refused for good in the greeting beside others that serve", CAUSE_REPLY, STAGE_GREETING, 554,
        false, false, {.fresh = true, .others = 3, .others_ready = 2}, {.relay = BLAME_LIMIT}},
    {"hello refused for good beside others that serve", CAUSE_REPLY, STAGE_EHLO, 550, false, false,
        {.fresh = true, .others = 3, .others_ready = 2}, {.relay = BLAME_FAULT}},
    {"certificate of a stranger beside others", CAUSE_PROTOCOL, STAGE_CERTIFICATE, 0, false, false,
        {.fresh = true, .others = 3, .others_ready = 2}, {.relay = BLAME_FAULT}},
    {"wrong password beside others", CAUSE_REPLY, STAGE_AUTH, 535, false, false,
        {.fresh = true, .others = 19, .others_ready = 3}, {.relay = BLAME_FAULT}},
    {"no login for now beside others that are being opened", CAUSE_REPLY, STAGE_AUTH, 454, false,
        false, {.fresh = true, .others = 3}, {.relay = BLAME_FAULT}},
    {"no login for now beside others that are logged in", CAUSE_REPLY, STAGE_AUTH, 454, false,
        false, {.fresh = true, .others = 3, .others_ready = 3}, {.relay = BLAME_LIMIT}},
    {"wrong password", CAUSE_REPLY, STAGE_AUTH, 535, false, false, {.fresh = true},
        {.relay = BLAME_FAULT}},
    {"login wanted after all", CAUSE_REPLY, STAGE_AUTH, 530, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_FAULT}},
    {"login wanted after all, again", CAUSE_REPLY, STAGE_AUTH, 530, true, false,
        IN_TURN(.fresh = true, .met_before = 9, .others_passed = true), {.relay = BLAME_FAULT}},

    /* Our own. */
    {"no descriptor for a socket", CAUSE_OWN, STAGE_CONNECT, 0, false, false, {.fresh = true},
        {.ours = true}},
    {"no STARTTLS where it is wanted", CAUSE_OWN, STAGE_STARTTLS, 0, false, false, {.fresh = true},
        {.relay = BLAME_FAULT}},
    {"a file that became shorter", CAUSE_OWN, STAGE_MESSAGE, 0, true, false, IN_TURN(.fresh = true),
        {.unread = true}},

    /* Nothing under way. */
    {"closed while idle", CAUSE_LOST, STAGE_IDLE, 0, false, false, {.usable = true},
        {.relay = BLAME_NOTHING}},
    {"closed while idle, never used", CAUSE_REPLY, STAGE_IDLE, 421, false, false,
        {.usable = true, .fresh = true}, {.relay = BLAME_NOTHING}},
    {"lost with a message that was not begun", CAUSE_LOST, STAGE_IDLE, 0, false, false,
        IN_TURN(.fresh = true), {.relay = BLAME_SUSPECT}},
    {"lost again before a message was begun", CAUSE_LOST, STAGE_IDLE, 0, false, false,
        IN_TURN(.fresh = true, .losses = 1), {.relay = BLAME_FAULT}},
    {"behind another message", CAUSE_LOST, STAGE_CONTENT, 0, true, false,
        {.usable = true, .fresh = true, .met_before = 9, .others_passed = true},
        {.relay = BLAME_NOTHING}},
    {"behind another message, perhaps delivered", CAUSE_LOST, STAGE_CONTENT, 0, true, true,
        {.usable = true, .fresh = true}, {.relay = BLAME_NOTHING, .counts = true}},

    /* 421 to a message: the relay's the first time, the message's when it follows it. */
    {"421 to MAIL", CAUSE_REPLY, STAGE_MAIL, 421, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to MAIL beside others", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .others = 2, .others_ready = 2),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to MAIL again, nobody else passed", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1), {.relay = BLAME_FAULT, .remember = true}},
    {"421 to MAIL again, others passed", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .others_passed = true),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true, .exonerates = true}},
    {"421 to MAIL, always, nobody else there", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 3),
        {.relay = BLAME_FAULT, .remember = true, .counts = true}},
    {"421 to MAIL, always, but another relay is there", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 3, .elsewhere = true),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to MAIL again, others passed, another relay", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .others_passed = true, .elsewhere = true),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true, .exonerates = true}},
    {"421 to RCPT again, but another relay is there", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .elsewhere = true),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to RCPT, always, while others work", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 3, .others = 1, .elsewhere = true),
        {.relay = BLAME_SUSPECT, .remember = true, .counts = true}},
    {"421 to RCPT", CAUSE_REPLY, STAGE_RCPT, 421, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to RCPT while others work", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .others = 1), {.relay = BLAME_SUSPECT, .remember = true}},
    {"421 to RCPT again, nobody else passed", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1),
        {.relay = BLAME_FAULT, .remember = true, .counts = true}},
    {"421 to RCPT again while others are under way", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .others = 3),
        {.relay = BLAME_SUSPECT, .remember = true}},
    {"421 to RCPT again, others fare the same", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .losses = 2, .others_lost = true),
        {.relay = BLAME_FAULT, .remember = true}},
    {"421 to RCPT, always, others fare the same", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 3, .losses = 5, .others_lost = true),
        {.relay = BLAME_FAULT, .remember = true, .counts = true}},
    {"421 to RCPT again, others passed", CAUSE_REPLY, STAGE_RCPT, 421, true, false,
        IN_TURN(.met_before = 1, .others_passed = true),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true, .exonerates = true}},
    {"421 to the content again", CAUSE_REPLY, STAGE_CONTENT, 421, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .others_passed = true),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true, .exonerates = true}},
    {"421 to MAIL after some messages", CAUSE_REPLY, STAGE_MAIL, 421, true, false,
        IN_TURN(.met_before = 3, .others_passed = true), {.relay = BLAME_NOTHING}},

    /* Connections that are lost. */
    {"lost at MAIL, fresh", CAUSE_LOST, STAGE_MAIL, 0, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_SUSPECT, .remember = true}},
    {"the next one too", CAUSE_LOST, STAGE_MAIL, 0, true, false,
        IN_TURN(.fresh = true, .losses = 1), {.relay = BLAME_FAULT, .remember = true}},
    {"the next one too, beside others", CAUSE_LOST, STAGE_MAIL, 0, true, false,
        IN_TURN(.fresh = true, .losses = 1, .others = 4, .others_ready = 4),
        {.relay = BLAME_FAULT, .remember = true}},
    {"login wanted after all, beside others", CAUSE_REPLY, STAGE_AUTH, 530, true, false,
        IN_TURN(.fresh = true, .others = 3, .others_ready = 3), {.relay = BLAME_FAULT}},
    {"lost at MAIL, used before", CAUSE_LOST, STAGE_MAIL, 0, true, false, IN_TURN(),
        {.relay = BLAME_NOTHING}},
    {"silence after MAIL, used before", CAUSE_TIMEOUT, STAGE_MAIL, 0, true, false, IN_TURN(),
        {.relay = BLAME_NOTHING}},
    {"lost at RCPT, used before", CAUSE_LOST, STAGE_RCPT, 0, true, false, IN_TURN(),
        {.relay = BLAME_NOTHING, .remember = true}},
    {"lost at RCPT twice", CAUSE_LOST, STAGE_RCPT, 0, true, false,
        IN_TURN(.fresh = true, .met_before = 1, .others_passed = true),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true, .exonerates = true}},
    {"no SMTP at RCPT", CAUSE_PROTOCOL, STAGE_RCPT, 0, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_SUSPECT, .remember = true}},
    {"lost in the content", CAUSE_LOST, STAGE_CONTENT, 0, true, false, IN_TURN(.fresh = true),
        {.relay = BLAME_SUSPECT, .remember = true}},
    {"lost at the final dot", CAUSE_LOST, STAGE_CONTENT, 0, true, true, IN_TURN(.fresh = true),
        {.relay = BLAME_SUSPECT, .remember = true, .counts = true}},
    {"the next one too, at the final dot", CAUSE_LOST, STAGE_CONTENT, 0, true, true,
        IN_TURN(.fresh = true, .losses = 1),
        {.relay = BLAME_FAULT, .remember = true, .counts = true}},
    {"lost at the final dot, used before", CAUSE_TIMEOUT, STAGE_CONTENT, 0, true, true, IN_TURN(),
        {.relay = BLAME_NOTHING, .remember = true, .counts = true}},
};

START_TEST(each_end_has_one_to_blame)
{
    const Case *c = &cases[_i];
    const DeliveryOutcome outcome = {
        .kind = DELIVERY_CUT_OFF,
        .cause = c->cause,
        .stage = c->stage,
        .code = c->code,
        .under_way = c->under_way,
        .perhaps = c->perhaps,
        .text = "",
    };
    LinkEnd end = c->end;
    Blame b;

    end.outcome = &outcome;
    b = blame(&end);
    ck_assert_msg(b.relay == c->expected.relay, "%s: relay %d", c->what, b.relay);
    ck_assert_msg(b.unread == c->expected.unread, "%s: unread %d", c->what, b.unread);
    ck_assert_msg(b.counts == c->expected.counts, "%s: counts %d", c->what, b.counts);
    ck_assert_msg(b.remember == c->expected.remember, "%s: remember %d", c->what, b.remember);
    ck_assert_msg(
        b.exonerates == c->expected.exonerates, "%s: exonerates %d", c->what, b.exonerates);
    ck_assert_msg(b.ours == c->expected.ours, "%s: ours %d", c->what, b.ours);
}
END_TEST

/* Whatever else is the case. */
START_TEST(no_message_is_cut_off_for_ever_without_an_attempt)
{
    static const DeliveryStage stages[] = {STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_CONTENT};

    for (unsigned bits = 0; bits < 32; bits++)
        for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
            const DeliveryOutcome outcome = {
                .kind = DELIVERY_CUT_OFF,
                .cause = bits & 1 ? CAUSE_REPLY : CAUSE_LOST,
                .code = bits & 1 ? 421 : 0,
                .stage = stages[i],
                .under_way = true,
                .text = "",
            };
            const LinkEnd end = {
                .outcome = &outcome,
                .usable = true,
                .in_turn = true,
                .fresh = stages[i] == STAGE_MAIL || bits & 2,
                .others = bits & 4 ? 3 : 0,
                .others_passed = bits & 8,
                .losses = bits & 16 ? 5 : 0,
                .met_before = 3,
            };

            ck_assert(blame(&end).counts);
        }
}
END_TEST

/* Whatever came of the message before, and wherever the relay says so. */
START_TEST(a_connection_that_is_used_up_is_nobodys_fault)
{
    static const DeliveryStage stages[] = {STAGE_MAIL, STAGE_DATA, STAGE_CONTENT};

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        const DeliveryOutcome outcome = {
            .kind = DELIVERY_CUT_OFF,
            .cause = CAUSE_REPLY,
            .code = 451,
            .stage = stages[i],
            .reason = REASON_USED_UP,
            .under_way = true,
            .text = "",
        };
        const LinkEnd end = {.outcome = &outcome,
            .usable = true,
            .in_turn = true,
            .met_before = 3,
            .others_passed = true};
        Blame b = blame(&end);

        ck_assert_int_eq(b.relay, BLAME_NOTHING);
        ck_assert(!b.counts && !b.remember);
    }
}
END_TEST

static Suite *make_suite(void)
{
    Suite *suite = suite_create("delivery/blame");
    TCase *tcase = tcase_create("blame");

    tcase_add_loop_test(
        tcase, each_end_has_one_to_blame, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tcase, a_connection_that_is_used_up_is_nobodys_fault);
    tcase_add_test(tcase, no_message_is_cut_off_for_ever_without_an_attempt);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return unit_run(make_suite());
}
