/* Compiled convolutions on AArch64: reads calls from its input, one after the other, and writes the outputs.

   Everything a call hands over stands against pages that may not be touched, and what is not to be written cannot be,
   so that code which goes astray ends the process. Outputs and working space are NaN before. Several threads share
   a call as they do in tweakconv, by `lead` and `serve` of `tweakconv.compiler.helpers`, whose native code is linked
   to this. */

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { X, WEIGHTS, BIAS, Y, RESIDUAL, INTEGERS, ARRAYS };
enum { SHARED = ARRAYS, WINDOWS, ROOMS };

/* As `emulator.py` writes it; behind it come the path of the code and the bytes of all arrays but Y. Where the code
   notes something in the residual, that is written to, and follows the output. */
struct call {
    int64_t path_bytes, at_end, threads, flags, notes, own_bytes, shared_bytes;
    struct { int64_t bytes, first; } arrays[ARRAYS];
};

/* As in `helpers.Job` and `call.Shared`. */
struct job {
    void *run, *arrays[ARRAYS], *shared, *windows;
    int64_t step, flags;
};
struct shared {
    int64_t ticket;
    void *space, *await;
    int64_t counters[5];
};

extern void serve(int64_t *slot, int64_t turns);
extern void lead(struct job *job, int64_t *slots, int64_t count, int64_t wanted);
extern void await(int64_t *counter, int64_t number);

enum { ALONE = 2 }; /* as in `call` */
enum { MOST_HELPERS = 15, LINE = 64, PAGE = 4096, TURNS = 4096, SECONDS = 300 };

static _Alignas(LINE) int64_t slots[MOST_HELPERS][LINE / sizeof(int64_t)];
static sem_t wake[MOST_HELPERS];
static int64_t helpers;

static void fail(const char *what)
{
    fprintf(stderr, "emulated.c: %s\n", what);
    exit(1);
}

static size_t rounded(size_t bytes, size_t step)
{
    return (bytes + step - 1) / step * step;
}

static void read_all(void *to, size_t bytes)
{
    if (bytes && fread(to, bytes, 1, stdin) != 1)
        fail("a call ends too early");
}

static void write_all(const void *from, size_t bytes)
{
    if (bytes && fwrite(from, bytes, 1, stdout) != 1)
        fail("nobody reads the outputs");
}

static void *help(void *number)
{
    for (intptr_t own = (intptr_t)number;;) {
        serve(slots[own], TURNS);
        sem_wait(&wake[own]);
    }
    return NULL;
}

/* Have so many helpers, awake. */
static void call_helpers(int64_t wanted)
{
    if (wanted > MOST_HELPERS)
        fail("more threads than there is room for");
    for (; helpers < wanted; helpers++) {
        pthread_t thread;
        sem_init(&wake[helpers], 0, 0);
        if (pthread_create(&thread, NULL, help, (void *)(intptr_t)helpers))
            fail("no thread to be had");
    }
    for (int64_t number = 0; number < wanted; number++)
        sem_post(&wake[number]);
}

/* Memory that begins at the end of a page that may not be touched, or ends at the start of one. */
struct room {
    char *memory, *start;
    size_t bytes;
};

static struct room make_room(size_t bytes, int at_end)
{
    size_t inside = rounded(bytes, PAGE);
    struct room room = {.bytes = inside + 2 * PAGE};
    room.memory = mmap(NULL, room.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room.memory == MAP_FAILED || (inside && mprotect(room.memory + PAGE, inside, PROT_READ | PROT_WRITE)))
        fail("no memory to be had");
    room.start = room.memory + PAGE + (at_end ? inside - bytes : 0);
    memset(room.start, 0xff, bytes);
    return room;
}

static void make_read_only(struct room room)
{
    if (room.bytes > 2 * PAGE && mprotect(room.memory + PAGE, room.bytes - 2 * PAGE, PROT_READ))
        fail("memory cannot be protected");
}

static void *find_run(const char *path)
{
    void *code = dlopen(path, RTLD_NOW), *run = code ? dlsym(code, "run") : NULL;
    if (!run)
        fail(dlerror());
    return run;
}

static void answer(const struct call *call)
{
    char path[call->path_bytes + 1];
    struct room rooms[ROOMS];
    size_t step = rounded(call->own_bytes, LINE);

    read_all(path, call->path_bytes);
    path[call->path_bytes] = 0;
    struct job job = {.run = find_run(path), .step = step, .flags = call->flags};
    for (int i = 0; i < ARRAYS; i++) {
        rooms[i] = make_room(call->arrays[i].bytes, call->at_end);
        job.arrays[i] = rooms[i].start + call->arrays[i].first;
        if (i != Y) {
            read_all(rooms[i].start, call->arrays[i].bytes);
            if (!call->notes || i != RESIDUAL)
                make_read_only(rooms[i]);
        }
    }
    struct room space = make_room(call->shared_bytes, call->at_end);
    rooms[SHARED] = make_room(sizeof(struct shared), call->at_end);
    size_t windows = step * (call->threads - 1) + rounded(call->own_bytes, sizeof(int64_t));
    rooms[WINDOWS] = make_room(windows, call->at_end);
    if (!(call->flags & ALONE))
        *(struct shared *)rooms[SHARED].start = (struct shared){.space = space.start, .await = await};
    job.shared = rooms[SHARED].start;
    job.windows = rooms[WINDOWS].start;

    alarm(SECONDS);
    call_helpers(call->threads - 1);
    lead(&job, slots[0], helpers, call->threads - 1);
    alarm(0);

    write_all(rooms[Y].start, call->arrays[Y].bytes);
    if (call->notes)
        write_all(rooms[RESIDUAL].start, call->arrays[RESIDUAL].bytes);
    if (fflush(stdout))
        fail("nobody reads the outputs");
    for (int i = 0; i < ROOMS; i++)
        munmap(rooms[i].memory, rooms[i].bytes);
    munmap(space.memory, space.bytes);
}

int main(void)
{
    struct call call;

    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    while (fread(&call, sizeof call, 1, stdin) == 1)
        answer(&call);
    return 0;
}
