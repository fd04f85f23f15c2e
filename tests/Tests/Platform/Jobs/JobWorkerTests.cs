using System.Collections.Concurrent;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Atoll.Tests.Platform.Jobs;

public sealed class JobWorkerTests : IAsyncLifetime
{
    private const string Lane = "lane";

    private readonly VirtualClock _clock = new();
    private readonly Script _script = new();
    private TestDatabase _database = null!;
    private JobQueue _queue = null!;
    private JobWorker _worker = null!;
    private JobKind _kind = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock, services =>
        {
            services.AddSingleton(_script);
            services.AddSingleton<JobQueue>();
            services.AddMetrics();
            services.AddSingleton<JobMetrics>();
            services.AddJobLane(Lane, 1);
            services.AddJobKind(new JobKind("scripted", Lane, typeof(ScriptedHandler)));
        });
        await _database.AddTenantAsync("ten_a");
        _queue = _database.Services.GetRequiredService<JobQueue>();
        _kind = _database.Services.GetRequiredService<JobKind>();
        _worker = NewWorker();
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.StopAsync(CancellationToken.None);
        _worker.Dispose();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task A_job_runs_in_its_tenants_space_and_ends_once()
    {
        _script.Run = (_, _) => Task.CompletedTask;
        await _worker.StartAsync(default);
        await AddAsync("work");
        Assert.Equal((JobState.Succeeded, null), await _script.EndOf("work"));
        await UntilAsync("work", JobState.Succeeded);
        Assert.Equal(["ten_a"], _script.TenantsSeen);
    }

    [Fact]
    public async Task A_refused_job_fails_without_another_attempt()
    {
        _script.Run = (_, _) => throw new JobRefusedException("The data has no rows.");
        await _worker.StartAsync(default);
        await AddAsync("work");
        Assert.Equal((JobState.Failed, "The data has no rows."), await _script.EndOf("work"));
        await UntilAsync("work", JobState.Failed);
        Assert.Equal(1, _script.Attempts);
    }

    [Fact]
    public async Task A_job_that_breaks_is_tried_again_after_a_backoff_and_then_parked_without_telling_its_details()
    {
        _script.Run = (_, _) => throw new InvalidOperationException("broke");
        await _worker.StartAsync(default);
        await AddAsync("work");
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            var job = await UntilAsync("work", JobState.Queued, attempt);
            Assert.Equal(Sentence(job), job.Error);
            Assert.Equal(Enumerable.Repeat<(string, string?)>(("work", Sentence(job)), attempt), _script.Requeued);
            _clock.Advance(JobQueue.Backoff(attempt));
            _queue.Announce(Lane);
        }
        var end = await _script.EndOf("work");
        var parked = await UntilAsync("work", JobState.Parked);
        Assert.Equal((JobState.Parked, Sentence(parked)), end);
        Assert.Equal(3, parked.Attempt);

        static string Sentence(Job job) => $"The work failed for a reason inside the platform; tell the operator the job {job.Id}.";
    }

    [Fact]
    public async Task Cancelling_a_running_job_stops_its_handler()
    {
        _script.Run = (_, token) => Task.Delay(Timeout.Infinite, token);
        await _worker.StartAsync(default);
        await AddAsync("work");
        await _script.StartOf("work");
        Assert.Equal(JobState.Running, await _database.WithAsync("ten_a", db => _queue.CancelAsync(db, "work", default)));
        Assert.Equal((JobState.Cancelled, null), await _script.EndOf("work"));
        await UntilAsync("work", JobState.Cancelled);
    }

    [Fact]
    public async Task Stopping_the_worker_requeues_its_jobs_without_counting_the_attempt()
    {
        _script.Run = (_, token) => Task.Delay(Timeout.Infinite, token);
        await _worker.StartAsync(default);
        await AddAsync("work");
        await _script.StartOf("work");
        await _worker.StopAsync(default);
        var job = await FindAsync("work");
        Assert.Equal((JobState.Queued, 0, null), (job.State, job.Attempt, job.LeaseOwner));
        Assert.Equal(("work", null), Assert.Single(_script.Requeued));
        Assert.False(_script.HasEnded("work"));
    }

    [Fact]
    public async Task Deleting_the_tenant_stops_its_job_and_leaves_no_row()
    {
        _script.Run = (_, token) => Task.Delay(Timeout.Infinite, token);
        await _worker.StartAsync(default);
        await AddAsync("work");
        await _script.StartOf("work");
        await _database.WithAsync(null, db => TenantRows.DeleteAsync(db, "ten_a", default));
        await _queue.StopTenantAsync("ten_a");
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (_queue.IsRunning("ten_a")) await Task.Delay(5, patience.Token);
        await _worker.StopAsync(default);
        Assert.False(_script.HasEnded("work"));
        Assert.Equal(0, await _database.WithAsync(null, db => db.JobUsages().IgnoreQueryFilters([PlatformDb.TenantFilter]).CountAsync()));
    }

    [Fact]
    public async Task What_a_dead_process_held_runs_again_at_the_next_start()
    {
        await AddAsync("work");
        Assert.NotNull(await _database.WithAsync(null, db => _queue.ClaimAsync(db, Lane, "dead process", default)));
        _script.Run = (_, _) => Task.CompletedTask;
        await _worker.StartAsync(default);
        await UntilAsync("work", JobState.Queued, attempt: 1);
        Assert.Equal(("work", "The process that worked on it died."), Assert.Single(_script.Requeued));
        _clock.Advance(JobQueue.Backoff(1));
        _queue.Announce(Lane);
        Assert.Equal((JobState.Succeeded, null), await _script.EndOf("work"));
    }

    private JobWorker NewWorker() => new(
        _database.Scopes, _queue, _database.Services.GetServices<JobKind>(), _database.Services.GetServices<JobLane>(), _database.Services.GetRequiredService<JobMetrics>(), _clock, NullLogger<JobWorker>.Instance);

    private async Task AddAsync(string subject)
    {
        await _database.WithAsync("ten_a", async db =>
        {
            _queue.Add(db, _kind, subject);
            await db.SaveChangesAsync();
        });
        _queue.Announce(Lane);
    }

    private Task<Job> FindAsync(string subject) => _database.WithAsync("ten_a", db => db.Jobs().AsNoTracking().SingleAsync(job => job.Subject == subject));

    // The worker writes the end of a job after its handler said so; this waits for the row, never for a time.
    private async Task<Job> UntilAsync(string subject, JobState state, int? attempt = null)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (true)
        {
            var job = await FindAsync(subject);
            if (job.State == state && (attempt is null || job.Attempt == attempt)) return job;
            await Task.Delay(5, patience.Token);
        }
    }

    /// <summary>What the handler does, and what was seen of it.</summary>
    private sealed class Script
    {
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _starts = new();
        private readonly ConcurrentDictionary<string, TaskCompletionSource<(JobState, string?)>> _ends = new();

        public Func<JobAttempt, CancellationToken, Task> Run { get; set; } = (_, _) => Task.CompletedTask;

        public ConcurrentBag<string> TenantsSeen { get; } = [];

        public ConcurrentQueue<(string Subject, string? Error)> Requeued { get; } = [];

        public int Attempts;

        public Task StartOf(string subject) => Start(subject).Task.WaitAsync(TimeSpan.FromSeconds(20));

        public Task<(JobState State, string? Error)> EndOf(string subject) => End(subject).Task.WaitAsync(TimeSpan.FromSeconds(20));

        public bool HasEnded(string subject) => End(subject).Task.IsCompleted;

        public TaskCompletionSource Start(string subject) => _starts.GetOrAdd(subject, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

        public TaskCompletionSource<(JobState, string?)> End(string subject) => _ends.GetOrAdd(subject, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    private sealed class ScriptedHandler(Script script, TenantScope scope) : IJobHandler
    {
        public async Task RunAsync(JobAttempt attempt, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref script.Attempts);
            script.TenantsSeen.Add(scope.TenantId!);
            script.Start(attempt.Subject).TrySetResult();
            await script.Run(attempt, cancellationToken);
        }

        public Task RequeueAsync(JobAttempt attempt, string? error, CancellationToken cancellationToken)
        {
            script.Requeued.Enqueue((attempt.Subject, error));
            return Task.CompletedTask;
        }

        public Task EndAsync(JobAttempt attempt, JobState state, string? error, CancellationToken cancellationToken)
        {
            script.End(attempt.Subject).SetResult((state, error));
            return Task.CompletedTask;
        }
    }
}
