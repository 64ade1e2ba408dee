/* The plan. Must never give a time that is past, nor put a message behind another one while a
 * connection may be opened for it. */
#include "delivery/plan.h"

typedef struct Planner {
    const PlanView *view;
    usec_t now;
    PlanAction *actions;
    size_t n, max;
    size_t left;        /* messages without a place: of those that are being placed with a relay */
    size_t ordinary;    /* of those that any relay takes */
    uint64_t elsewhere; /* of the others: bits, as many as there are */
    size_t openable;    /* connections left to open */
    size_t relays;      /* that were looked at for ordinary ones */
    usec_t next;
} Planner;

static bool takes_work(const PlanView *v, usec_t now)
{
    return !v->stopping && v->paused_until <= now;
}

static void act(Planner *p, PlanActionKind kind, size_t index)
{
    if (p->n < p->max)
        p->actions[p->n++] = (PlanAction){kind, index};
}

static void look_at(Planner *p, usec_t when)
{
    if (when > p->now)
        p->next = MIN(p->next, when);
}

static bool is_open(const PlanLink *l)
{
    return l->ready && !l->quitting && !l->used_up && l->can_submit;
}

static bool is_open_to(const PlanLink *l, size_t relay)
{
    return l->relay == relay && is_open(l);
}

/* Not one that does not get on: what is put behind its message waits for the same reply. */
static bool takes_second(const PlanLink *l, usec_t now)
{
    return l->carries == 1 && now < usec_add(l->since, PLAN_BRISK);
}

static bool is_opening(const PlanLink *l, size_t relay)
{
    return l->relay == relay && !l->ready && !l->quitting;
}

/* How long a connection to the relay that is being opened counts, when so many may hang: each of
 * the others doubles it. A relay that is slow with all of them is not to be asked, nor told a
 * password, again and again. */
typedef struct Hope {
    usec_t fresh;
    unsigned stale;
} Hope;

static bool is_stale(const PlanLink *l, usec_t fresh, usec_t now)
{
    return now >= usec_add(l->since, fresh);
}

static Hope hope_for(const PlanView *v, size_t relay, usec_t now)
{
    Hope hope = {.fresh = v->relays[relay].unproven ? PLAN_SILENT : PLAN_FRESH};

    for (size_t i = 0; i < v->n_links; i++)
        hope.stale += is_opening(&v->links[i], relay) && is_stale(&v->links[i], hope.fresh, now);
    return hope;
}

static usec_t coming_until(const PlanLink *l, Hope hope, usec_t now)
{
    unsigned others = hope.stale - is_stale(l, hope.fresh, now);

    return usec_add(l->since, hope.fresh << MIN(others, PLAN_DOUBLINGS));
}

static bool is_coming(const PlanLink *l, size_t relay, Hope hope, usec_t now)
{
    return is_opening(l, relay) && now < coming_until(l, hope, now);
}

bool plan_is_silent(const PlanView *v, size_t relay, usec_t now)
{
    bool silent = false;

    for (size_t i = 0; i < v->n_links; i++) {
        const PlanLink *l = &v->links[i];

        if (l->relay == relay && l->ready)
            return false;
        silent = silent || (is_opening(l, relay) && is_stale(l, PLAN_SILENT, now));
    }
    return silent;
}

usec_t plan_rests(const PlanRelay *r, usec_t now)
{
    return r->restrained && r->room == 0 && r->room_from > usec_add(now, PLAN_SILENT) ? r->room_from
                                                                                      : 0;
}

/* One that may take no more for a while does not keep the mail: as long as it would be waited for
 * if it were silent. */
static bool keeps_mail(const PlanView *v, size_t relay, usec_t now)
{
    const PlanRelay *r = &v->relays[relay];

    return r->state == RELAY_STATE_WORKS && plan_rests(r, now) == 0;
}

/* Connections that carry nothing take what waits. */
static void fill_idle(Planner *p, size_t relay)
{
    const PlanView *v = p->view;

    for (size_t i = 0; i < v->n_links && p->left > 0; i++) {
        if (!is_open_to(&v->links[i], relay) || v->links[i].carries > 0)
            continue;
        act(p, PLAN_FILL, i);
        p->left--;
    }
}

/* Those that are being opened will take some. */
static void reserve_coming(Planner *p, size_t relay)
{
    const PlanView *v = p->view;
    Hope hope = hope_for(v, relay, p->now);

    for (size_t i = 0; i < v->n_links && p->left > 0; i++) {
        if (!is_coming(&v->links[i], relay, hope, p->now))
            continue;
        p->left--;
        look_at(p, coming_until(&v->links[i], hope, p->now));
    }
}

/* Whether one finds out at present whether the relay takes the login. */
static bool tries_login(const PlanView *v, size_t relay, usec_t now)
{
    Hope hope = hope_for(v, relay, now);

    for (size_t i = 0; i < v->n_links; i++)
        if (is_coming(&v->links[i], relay, hope, now) ||
            (is_opening(&v->links[i], relay) && v->links[i].logging_in))
            return true;
    return false;
}

static size_t count_openable(const PlanView *v, size_t relay, size_t openable, usec_t now)
{
    const PlanRelay *r = &v->relays[relay];
    size_t n;

    if (r->state == RELAY_STATE_HELD || r->connections >= r->limit)
        return 0;
    n = MIN((size_t)(r->limit - r->connections), openable);
    if (r->unproven)
        n = MIN(n, (size_t)!tries_login(v, relay, now));
    return n;
}

static void open_more(Planner *p, size_t relay)
{
    const PlanRelay *r = &p->view->relays[relay];
    const PlanLink opened = {.since = p->now};
    usec_t until = coming_until(&opened, hope_for(p->view, relay, p->now), p->now);

    for (size_t n = MIN(count_openable(p->view, relay, p->openable, p->now), p->left); n > 0; n--) {
        act(p, PLAN_OPEN, relay);
        p->openable--;
        p->left--;
        look_at(p, until); /* it may hang, too */
    }
    if (p->left > 0 && (r->state == RELAY_STATE_HELD || r->state == RELAY_STATE_LIMITED))
        look_at(p, r->until);
}

/* More waits than connections may be opened: those that carry one message take a second, whose
 * commands go out with the end of the first. */
static void fill_second(Planner *p, size_t relay)
{
    const PlanView *v = p->view;

    for (size_t i = 0; i < v->n_links && p->left > 0; i++) {
        if (!is_open_to(&v->links[i], relay) || !takes_second(&v->links[i], p->now))
            continue;
        act(p, PLAN_FILL, i);
        p->left--;
    }
}

static void place_with(Planner *p, size_t relay)
{
    fill_idle(p, relay);
    reserve_coming(p, relay);
    open_more(p, relay);
}

static void look_when_silent(Planner *p, size_t relay)
{
    for (size_t i = 0; i < p->view->n_links; i++)
        if (is_opening(&p->view->links[i], relay))
            look_at(p, usec_add(p->view->links[i].since, PLAN_SILENT));
}

/* ---- relay by relay ---- */

/* Of the messages that wait for other relays than the rest, those that may go to this one. */
static uint64_t find_elsewhere(const Planner *p, size_t relay)
{
    const PlanView *v = p->view;
    uint64_t found = 0;

    for (size_t i = 0; i < v->n_elsewhere && relay < PLAN_ELSEWHERE_RELAYS; i++)
        if (!(v->elsewhere[i] >> relay & 1))
            found |= p->elsewhere & (uint64_t)1 << i;
    return found;
}

/* Messages that it may take beside those that have been placed with it. */
static size_t room_left(const Planner *p, size_t relay)
{
    const PlanView *v = p->view;
    size_t placed = 0;

    if (!v->relays[relay].restrained)
        return SIZE_MAX;
    for (size_t i = 0; i < p->n; i++)
        placed +=
            p->actions[i].kind == PLAN_OPEN
                ? p->actions[i].index == relay
                : p->actions[i].kind == PLAN_FILL && v->links[p->actions[i].index].relay == relay;
    return v->relays[relay].room - MIN(v->relays[relay].room, placed);
}

/* Those come first: a connection asks for them before it takes another. */
static void place_by(
    Planner *p, size_t relay, size_t ordinary, void (*place)(Planner *p, size_t relay))
{
    uint64_t elsewhere = find_elsewhere(p, relay);
    size_t all = ordinary + (size_t)__builtin_popcountll(elsewhere), placed, room;

    room = room_left(p, relay);
    p->left = MIN(all, room);
    placed = p->left;
    place(p, relay);
    placed -= p->left;
    if (all > room) /* as long as there is room, it is asked again when that is used */
        look_at(p, p->view->relays[relay].room_from);
    for (; placed > 0 && elsewhere; placed--) {
        uint64_t first = elsewhere & -elsewhere;

        elsewhere &= ~first;
        p->elsewhere &= ~first;
    }
    p->ordinary -= placed;
}

/* A relay that works keeps the mail; one that is being tried, or bears no more, does not keep the
 * next from it. What the relay cannot take passes it by. */
static void place_at_relays(Planner *p, uint64_t *ret_kept)
{
    const PlanView *v = p->view;
    bool works = false;

    for (size_t relay = 0; relay < v->n_relays; relay++) {
        bool ordinary = p->ordinary > 0 && !works && !v->relays[relay].by_rule;

        if (ordinary)
            p->relays = relay + 1;
        if ((!ordinary && !find_elsewhere(p, relay)) || plan_is_silent(v, relay, p->now))
            continue;
        look_when_silent(p, relay);
        place_by(p, relay, ordinary ? p->ordinary : 0, place_with);
        if (!keeps_mail(v, relay, p->now))
            continue;
        works = works || ordinary;
        *ret_kept |= find_elsewhere(p, relay);
        p->elsewhere &= ~*ret_kept;
    }
}

/* Those of the messages that any relay takes which may go to this one. */
static size_t ordinary_for(const Planner *p, size_t relay)
{
    return relay < p->relays && !p->view->relays[relay].by_rule ? p->ordinary : 0;
}

/* One that is silent comes behind all others: it may be the only one. */
static void place_messages(Planner *p)
{
    uint64_t kept = 0;

    place_at_relays(p, &kept);
    for (size_t i = 0; i < p->view->n_relays && (p->ordinary > 0 || p->elsewhere); i++)
        if ((ordinary_for(p, i) > 0 || find_elsewhere(p, i)) && plan_is_silent(p->view, i, p->now))
            place_by(p, i, ordinary_for(p, i), place_with);
    p->elsewhere |= kept;
    for (size_t i = 0; i < p->view->n_relays; i++)
        place_by(p, i, ordinary_for(p, i), fill_second);
}

static bool is_filled(const Planner *p, size_t link)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->actions[i].kind == PLAN_FILL && p->actions[i].index == link)
            return true;
    return false;
}

static bool is_done_with(const Planner *p, const PlanLink *l)
{
    return p->view->stopping || l->used_up || l->relay == SIZE_MAX ||
           p->now >= usec_add(l->since, l->idle_timeout);
}

/* One that is being opened and would be of use to nobody: its configuration is replaced, or it
 * would say a password again that has just been refused. */
static bool is_in_vain(const Planner *p, const PlanLink *l)
{
    const PlanRelay *r = l->relay == SIZE_MAX ? NULL : &p->view->relays[l->relay];

    return !r || (r->unproven && r->state == RELAY_STATE_HELD);
}

/* One that is to get a message may get none: what comes may have to wait, or go elsewhere. */
static void rest(Planner *p, size_t i)
{
    const PlanLink *l = &p->view->links[i];

    if (l->quitting || l->carries > 0)
        return;
    if (is_filled(p, i))
        look_at(p, MAX(usec_add(l->since, l->idle_timeout), p->now + USEC_PER_SEC));
    else if (l->ready ? is_done_with(p, l) : is_in_vain(p, l))
        act(p, PLAN_QUIT, i);
    else if (l->ready)
        look_at(p, usec_add(l->since, l->idle_timeout));
}

static uint64_t all_elsewhere(const PlanView *view)
{
    return view->n_elsewhere == 0 ? 0 : UINT64_MAX >> (PLAN_ELSEWHERE_MAX - view->n_elsewhere);
}

size_t plan(const PlanView *view, usec_t now, PlanAction *ret, size_t max, PlanRest *ret_rest)
{
    Planner p = {
        .view = view,
        .now = now,
        .actions = ret,
        .max = max,
        .openable = view->openable,
        .next = USEC_NEVER,
    };

    if (takes_work(view, now)) {
        p.ordinary = view->waiting;
        p.elsewhere = all_elsewhere(view);
    }
    place_messages(&p);
    for (size_t i = 0; i < view->n_links; i++)
        rest(&p, i);
    if (!view->stopping)
        look_at(&p, view->paused_until);
    else
        look_at(&p, view->stop_deadline);
    *ret_rest = (PlanRest){.next = p.next, .left = p.ordinary, .relays = p.relays};
    return p.n;
}

bool plan_takes_of_rest(const PlanRest *rest, const PlanLink *link, usec_t now)
{
    return rest->left > 0 && link->relay < rest->relays && is_open(link) &&
           (link->carries == 0 || takes_second(link, now));
}

static size_t demand_of(const PlanView *v, size_t relay, usec_t now)
{
    Hope hope = hope_for(v, relay, now);
    size_t demand = 0;

    for (size_t i = 0; i < v->n_links; i++) {
        const PlanLink *l = &v->links[i];

        demand += is_coming(l, relay, hope, now);
        demand += is_open_to(l, relay) && (l->carries == 0 || takes_second(l, now));
    }
    return demand;
}

size_t plan_demand(const PlanView *view, usec_t now)
{
    size_t demand = 0, openable = view->openable;

    if (!takes_work(view, now))
        return 0;
    for (size_t relay = 0; relay < view->n_relays; relay++) {
        const PlanRelay *r = &view->relays[relay];
        size_t n, wanted;

        if (r->unwanted)
            continue;
        n = count_openable(view, relay, openable, now);
        wanted = demand_of(view, relay, now) + n;
        demand += r->restrained ? MIN(wanted, r->room) : wanted;
        openable -= n;
        if (!view->rules && keeps_mail(view, relay, now) && !plan_is_silent(view, relay, now))
            break;
    }
    return demand;
}

size_t plan_room(const PlanView *view, size_t relay, usec_t now)
{
    const PlanRelay *r = &view->relays[relay];
    size_t wanted;

    if (!takes_work(view, now) || r->unwanted)
        return 0;
    wanted = demand_of(view, relay, now) + count_openable(view, relay, view->openable, now);
    return r->restrained ? MIN(wanted, r->room) : wanted;
}

usec_t plan_room_from(const PlanView *view, size_t relay, usec_t now)
{
    const PlanRelay *r = &view->relays[relay];
    usec_t from = 0;

    if (view->stopping)
        return USEC_NEVER;
    if (r->state == RELAY_STATE_HELD)
        from = r->until;
    if (r->restrained && r->room == 0)
        from = MAX(from, r->room_from);
    return from > now ? from : USEC_NEVER;
}
