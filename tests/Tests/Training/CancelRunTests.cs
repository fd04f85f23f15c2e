using Atoll.Contracts;
using Atoll.Platform.Jobs;
using Atoll.Tests.Platform;
using Atoll.Training;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace Atoll.Tests.Training;

public sealed class CancelRunTests : IAsyncLifetime
{
    private readonly VirtualClock _clock = new();
    private TestDatabase _database = null!;
    private JobQueue _queue = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock);
        await _database.AddTenantAsync("ten_a");
        _queue = new JobQueue(_database.Limits, _clock);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_caller_who_hangs_up_cannot_tear_a_run_and_its_job_apart()
    {
        await AddAsync(JobState.Queued);
        using var caller = new CancellationTokenSource();
        Assert.Equal(202, await CancelAsync(new HangUpClock(caller), caller.Token));
        Assert.True(caller.IsCancellationRequested);
        await AssertCancelledAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_run_whose_job_has_ended_or_is_absent_can_still_be_cancelled(bool hasJob)
    {
        await AddAsync(hasJob ? JobState.Cancelled : null);
        Assert.Equal(202, await CancelAsync(_clock, default));
        await AssertCancelledAsync();
        Assert.Equal(409, await CancelAsync(_clock, default));
    }

    [Fact]
    public async Task A_run_that_trains_is_left_to_its_attempt()
    {
        await AddAsync(JobState.Running);
        Assert.Equal(202, await CancelAsync(_clock, default));
        Assert.Equal(RunStates.Queued, await _database.WithAsync("ten_a", db => db.Runs().Select(run => run.State).SingleAsync()));
        Assert.True(await _database.WithAsync("ten_a", db => db.Jobs().Select(job => job.CancelRequested).SingleAsync()));
    }

    private Task AddAsync(JobState? job) => _database.WithAsync("ten_a", async db =>
    {
        db.Runs().Add(TestRuns.New("run_1", _clock));
        if (job is { } state) _queue.Add(db, TrainingModule.RunJob, "run_1").State = state;
        await db.SaveChangesAsync();
    });

    private Task<int?> CancelAsync(TimeProvider clock, CancellationToken cancellationToken) => _database.WithAsync("ten_a", async db =>
    {
        var answer = await CancelRun.HandleAsync("run_1", db, _queue, new RunSignals(), clock, cancellationToken);
        return ((IStatusCodeHttpResult)answer.Result).StatusCode;
    });

    private async Task AssertCancelledAsync()
    {
        Assert.Equal(RunStates.Cancelled, await _database.WithAsync("ten_a", db => db.Runs().Select(run => run.State).SingleAsync()));
        Assert.True(await _database.WithAsync("ten_a", db => db.Jobs().AllAsync(job => job.State == JobState.Cancelled)));
    }
}

/// <summary>Rows of runs.</summary>
internal static class TestRuns
{
    public static Run New(string id, TimeProvider clock) => new()
    {
        Id = id, Experiment = "default", State = RunStates.Queued, Dataset = "leads", DatasetVersion = 1, Model = "leads", Seed = 1, Parameters = [],
        CreatedUtc = clock.GetUtcNow().UtcDateTime,
    };
}
