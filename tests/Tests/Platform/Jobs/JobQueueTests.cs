using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Tests.Platform.Jobs;

public sealed class JobQueueTests : IAsyncLifetime
{
    private static readonly JobKind Kind = new("test.job", "lane", typeof(IJobHandler));

    private readonly VirtualClock _clock = new();
    private TestDatabase _database = null!;
    private JobQueue _queue = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock);
        _queue = new JobQueue(_database.Limits, _clock);
        foreach (var tenant in (string[])["ten_a", "ten_b", "ten_c"]) await _database.AddTenantAsync(tenant);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Announcements_to_busy_workers_do_not_pile_up()
    {
        for (var i = 0; i < 100; i++) _queue.Announce("lane");
        await _queue.WaitAsync("lane", TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        var next = _queue.WaitAsync("lane", TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        Assert.False(next.IsCompleted);
        _queue.Announce("lane");
        await next;
    }

    [Fact]
    public async Task Inside_a_tenant_priority_goes_first_and_then_age()
    {
        await AddAsync("ten_a", "old");
        _clock.Advance(TimeSpan.FromSeconds(1));
        await AddAsync("ten_a", "young");
        await AddAsync("ten_a", "urgent", priority: 5);
        Assert.Equal(["urgent", "old", "young"], [await ClaimSubjectAsync(), await ClaimSubjectAsync(), await ClaimSubjectAsync()]);
        Assert.Null(await ClaimAsync());
    }

    [Fact]
    public async Task A_tenant_with_a_thousand_jobs_does_not_hold_up_one_with_a_single_job()
    {
        for (var i = 0; i < 20; i++) await AddAsync("ten_a", $"a{i}", priority: 100);
        _clock.Advance(TimeSpan.FromMinutes(1));
        await AddAsync("ten_b", "b");
        Assert.StartsWith("a", await ClaimSubjectAsync());
        Assert.Equal("b", await ClaimSubjectAsync());
    }

    [Fact]
    public async Task The_tenant_that_used_least_lately_goes_first_and_use_is_forgotten()
    {
        await AddAsync("ten_a", "a0");
        var first = (await ClaimAsync())!;
        await WithAsync(db => _queue.BookAsync(db, first, "me", TimeSpan.FromSeconds(100), default));
        await WithAsync(db => _queue.EndAsync(db, first.Id, "me", JobState.Succeeded, null, default));

        await AddAsync("ten_a", "a1");
        await AddAsync("ten_b", "b1");
        var second = (await ClaimAsync())!;
        Assert.Equal("b1", second.Subject);
        await WithAsync(db => _queue.BookAsync(db, second, "me", TimeSpan.FromSeconds(1), default));
        await WithAsync(db => _queue.EndAsync(db, second.Id, "me", JobState.Succeeded, null, default));
        var rest = (await ClaimAsync())!;
        await WithAsync(db => _queue.EndAsync(db, rest.Id, "me", JobState.Succeeded, null, default));

        // After 100 minutes ten half-lives have passed: 100 s of use are less than the 1 s that the other one books now.
        _clock.Advance(TimeSpan.FromMinutes(100));
        await AddAsync("ten_b", "b2");
        var third = (await ClaimAsync())!;
        await WithAsync(db => _queue.BookAsync(db, third, "me", TimeSpan.FromSeconds(1), default));
        await WithAsync(db => _queue.EndAsync(db, third.Id, "me", JobState.Succeeded, null, default));
        await AddAsync("ten_a", "a3");
        await AddAsync("ten_b", "b3");
        Assert.Equal("a3", await ClaimSubjectAsync());

    }

    [Fact]
    public async Task A_lease_that_ran_out_gives_the_job_to_another_worker_after_a_backoff()
    {
        await AddAsync("ten_a", "work");
        var job = (await ClaimAsync("dead"))!;
        _clock.Advance(JobQueue.Lease - TimeSpan.FromSeconds(1));
        Assert.True(await WithAsync(db => _queue.RenewAsync(db, job.Id, "dead", default)));
        _clock.Advance(JobQueue.Lease - TimeSpan.FromSeconds(1));
        Assert.Empty(await RecoverAsync());
        Assert.Equal(JobState.Running, (await FindAsync(job.Id)).State);

        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Empty(await RecoverAsync());
        Assert.Equal(JobState.Queued, (await FindAsync(job.Id)).State);
        Assert.Null(await ClaimAsync("alive"));
        _clock.Advance(JobQueue.Backoff(1));
        var again = (await ClaimAsync("alive"))!;
        Assert.Equal((job.Id, 2), (again.Id, again.Attempt));
    }

    [Fact]
    public async Task Who_lost_the_lease_can_neither_renew_nor_requeue_nor_book_nor_end_the_job()
    {
        await AddAsync("ten_a", "work");
        var job = (await ClaimAsync("dead"))!;
        _clock.Advance(JobQueue.Lease + TimeSpan.FromSeconds(1));
        await RecoverAsync();
        _clock.Advance(JobQueue.Backoff(1));
        await ClaimAsync("alive");

        Assert.False(await WithAsync(db => _queue.RenewAsync(db, job.Id, "dead", default)));
        Assert.False(await WithAsync(db => _queue.RequeueAsync(db, job, "dead", "broke", false, default)));
        Assert.False(await WithAsync(db => _queue.BookAsync(db, job, "dead", TimeSpan.FromSeconds(9), default)));
        Assert.False(await WithAsync(db => _queue.EndAsync(db, job.Id, "dead", JobState.Failed, "broke", default)));
        var found = await FindAsync(job.Id);
        Assert.Equal((JobState.Running, "alive", 2), (found.State, found.LeaseOwner, found.Attempt));
        Assert.Equal(0, await WithAsync(db => db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter]).CountAsync()));
    }

    [Fact]
    public async Task A_job_whose_attempts_are_used_up_is_handed_out_to_be_parked()
    {
        await AddAsync("ten_a", "work", attemptsMax: 2);
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            Assert.Equal(attempt, (await ClaimAsync($"dead{attempt}"))!.Attempt);
            _clock.Advance(JobQueue.Lease + TimeSpan.FromSeconds(1));
            var exhausted = await RecoverAsync();
            Assert.Equal(attempt == 2 ? 1 : 0, exhausted.Count);
            _clock.Advance(JobQueue.Backoff(attempt));
        }
        Assert.Null(await ClaimAsync());
    }

    [Fact]
    public async Task A_start_requeues_every_running_job_at_once()
    {
        await AddAsync("ten_a", "work");
        var job = (await ClaimAsync("dead"))!;
        await RecoverAsync(all: true);
        Assert.Equal(JobState.Queued, (await FindAsync(job.Id)).State);
    }

    [Fact]
    public async Task A_stop_gives_the_job_back_without_counting_the_attempt()
    {
        await AddAsync("ten_a", "work");
        var job = (await ClaimAsync())!;
        Assert.True(await WithAsync(db => _queue.RequeueAsync(db, job, "me", null, stopping: true, default)));
        var again = (await ClaimAsync())!;
        Assert.Equal((job.Id, 1), (again.Id, again.Attempt));
    }

    [Fact]
    public async Task A_broken_attempt_waits_longer_each_time()
    {
        await AddAsync("ten_a", "work", attemptsMax: 4);
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            var job = (await ClaimAsync())!;
            Assert.True(await WithAsync(db => _queue.RequeueAsync(db, job, "me", "broke", stopping: false, default)));
            _clock.Advance(TimeSpan.FromSeconds(Math.Pow(4, attempt - 1)) - TimeSpan.FromMilliseconds(1));
            Assert.Null(await ClaimAsync());
            _clock.Advance(TimeSpan.FromMilliseconds(1));
        }
        Assert.Equal(4, (await ClaimAsync())!.Attempt);
    }

    [Fact]
    public async Task A_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_to_stop()
    {
        await AddAsync("ten_a", "waiting");
        await AddAsync("ten_b", "running", priority: 1);
        Assert.Null(await WithAsync("ten_a", db => _queue.CancelAsync(db, "running", default)));
        Assert.Equal(JobState.Cancelled, await WithAsync("ten_a", db => _queue.CancelAsync(db, "waiting", default)));
        var job = (await ClaimAsync())!;
        using var attempt = new CancellationTokenSource();
        _queue.Started(job, attempt);
        Assert.Equal(JobState.Running, await WithAsync("ten_b", db => _queue.CancelAsync(db, "running", default)));
        Assert.True(attempt.IsCancellationRequested);
        Assert.True((await FindAsync(job.Id)).CancelRequested);
        Assert.Null(await ClaimAsync());
        Assert.Null(await WithAsync("ten_a", db => _queue.CancelAsync(db, "waiting", default)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Workers_that_die_break_and_race_do_every_job_exactly_once(int seed)
    {
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        string[] tenants = ["ten_a", "ten_b", "ten_c"];
        const int Jobs = 24;
        for (var i = 0; i < Jobs; i++) await AddAsync(tenants[random.Next(3)], $"job{i}", priority: random.Next(3), attemptsMax: 1000);
        var succeeded = new Dictionary<string, int>();
        var held = new List<(Job Job, string Owner)>();
        for (var step = 0; step < 2000 && succeeded.Count < Jobs; step++)
        {
            switch (random.Next(6))
            {
                case 0 or 1:
                    // Two workers ask at the same time; they must never get the same job.
                    var owners = (string[])[$"w{step}", $"v{step}"];
                    var claims = await Task.WhenAll(owners.Select(owner => ClaimAsync(owner)));
                    if (claims[0] is not null) Assert.NotEqual(claims[0]!.Id, claims[1]?.Id);
                    for (var i = 0; i < 2; i++) if (claims[i] is { } claimed) held.Add((claimed, owners[i]));
                    break;
                case 2 when held.Count > 0:
                    var (job, owner) = TakeAny();
                    if (await WithAsync(db => _queue.EndAsync(db, job.Id, owner, JobState.Succeeded, null, default)))
                        succeeded[job.Id] = succeeded.GetValueOrDefault(job.Id) + 1;
                    break;
                case 3 when held.Count > 0:
                    var (broken, by) = TakeAny();
                    await WithAsync(db => _queue.RequeueAsync(db, broken, by, "broke", random.Next(2) == 0, default));
                    break;
                case 4 when held.Count > 0:
                    var (lively, renewer) = held[^1];
                    await WithAsync(db => _queue.RenewAsync(db, lively.Id, renewer, default));
                    break;
                default:
                    await RecoverAsync();
                    _clock.Advance(TimeSpan.FromSeconds(random.Next(4) == 0 ? 700 : random.Next(1, 5)));
                    break;
            }
        }
        Assert.Equal(Jobs, succeeded.Count);
        Assert.All(succeeded.Values, count => Assert.Equal(1, count));

        (Job Job, string Owner) TakeAny()
        {
            // The newest is mostly alive; the older ones are zombies, whose leases have run out.
            var at = random.Next(2) == 0 ? held.Count - 1 : random.Next(held.Count);
            var taken = held[at];
            held.RemoveAt(at);
            return taken;
        }
    }

    private Task AddAsync(string tenant, string subject, int priority = 0, int attemptsMax = 3) => _database.WithAsync(tenant, async db =>
    {
        _queue.Add(db, Kind, subject, priority, attemptsMax);
        await db.SaveChangesAsync();
    });

    private Task<Job?> ClaimAsync(string owner = "me") => WithAsync(db => _queue.ClaimAsync(db, "lane", owner, default));

    private async Task<string> ClaimSubjectAsync() => (await ClaimAsync())!.Subject;

    /// <summary>What a worker does with lost jobs; gives those that are out of attempts.</summary>
    private async Task<IReadOnlyList<Job>> RecoverAsync(bool all = false)
    {
        var lost = await WithAsync(db => _queue.FindLostAsync(db, all, default));
        foreach (var job in lost.Where(job => job.Attempt < job.AttemptsMax))
            Assert.True(await WithAsync(db => _queue.RequeueAsync(db, job, job.LeaseOwner!, "died", stopping: false, default)));
        return [.. lost.Where(job => job.Attempt >= job.AttemptsMax)];
    }

    private Task<Job> FindAsync(string id) => WithAsync(db => db.Jobs().IgnoreQueryFilters([PlatformDb.TenantFilter]).SingleAsync(job => job.Id == id));

    private Task<T> WithAsync<T>(Func<PlatformDb, Task<T>> work) => _database.WithAsync(null, work);

    private Task<T> WithAsync<T>(string tenant, Func<PlatformDb, Task<T>> work) => _database.WithAsync(tenant, work);
}
