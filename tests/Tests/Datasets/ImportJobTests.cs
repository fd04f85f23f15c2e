using System.Text;
using Atoll.Contracts;
using Atoll.Datasets;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Jobs;
using Atoll.Tests.Platform;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Atoll.Tests.Datasets;

/// <summary>Imports that are cancelled, or whose storage fails, at bad moments.</summary>
public sealed class ImportJobTests : IAsyncLifetime
{
    private readonly VirtualClock _clock = new();
    private TestDatabase _database = null!;
    private JobQueue _queue = null!;
    private BlobStore _blobs = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock);
        await _database.AddTenantAsync("ten_a");
        _queue = new JobQueue(_database.Limits, _clock);
        _blobs = _database.NewBlobs();
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_caller_who_hangs_up_cannot_tear_an_import_and_its_job_apart()
    {
        await AddAsync(JobState.Queued);
        using var caller = new CancellationTokenSource();
        Assert.Equal(202, await CancelAsync(new HangUpClock(caller), caller.Token));
        Assert.True(caller.IsCancellationRequested);
        Assert.Equal(ImportStates.Cancelled, (await FindAsync()).State);
        Assert.Equal(JobState.Cancelled, await _database.WithAsync("ten_a", db => db.Jobs().Select(job => job.State).SingleAsync()));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_import_whose_job_has_ended_or_is_absent_can_still_be_cancelled(bool hasJob)
    {
        await AddAsync(hasJob ? JobState.Cancelled : null);
        Assert.Equal(202, await CancelAsync(_clock, default));
        Assert.Equal(ImportStates.Cancelled, (await FindAsync()).State);
        Assert.Equal(409, await CancelAsync(_clock, default));
    }

    [Fact]
    public async Task An_import_that_was_cancelled_meanwhile_makes_no_version()
    {
        await AddAsync(null);
        await RunAsync(_clock, _ =>
        {
            using var scope = _database.Scopes.CreateScope();
            scope.ServiceProvider.GetRequiredService<TenantScope>().Enter("ten_a");
            scope.ServiceProvider.GetRequiredService<PlatformDb>().Imports().ExecuteUpdate(set => set.SetProperty(import => import.State, ImportStates.Cancelled));
        });
        Assert.Equal(ImportStates.Cancelled, (await FindAsync()).State);
        Assert.False(await _database.WithAsync("ten_a", db => db.Datasets().AnyAsync()));
    }

    [Fact]
    public async Task Progress_that_cannot_be_written_does_not_end_an_import()
    {
        await AddAsync(null);
        var failures = 0;
        await RunAsync(new TickAtOnceClock(), scope =>
        {
            if (scope > 1) return;
            failures++;
            throw new SqliteException("database is locked", 5);
        });
        Assert.Equal(1, failures);
        Assert.Equal(ImportStates.Succeeded, (await FindAsync()).State);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_end_of_an_attempt_is_noticed_by_who_changes_the_import_at_the_same_time(bool tryAgain)
    {
        await AddAsync(null);
        await _database.WithAsync("ten_a", async db =>
        {
            var seen = await db.Imports().SingleAsync();
            seen.State = ImportStates.Running;
            await db.SaveChangesAsync();
            var attempt = new JobAttempt("job_1", "ten_a", RunImport.Kind, "imp_1", 1, 3);
            await _database.WithAsync("ten_a", other =>
            {
                var handler = new RunImport(
                    other, _database.Services.GetRequiredService<DataFolder>(), _blobs, null!, _database.Limits, _database.Scopes, _clock, NullLogger<RunImport>.Instance);
                return tryAgain ? handler.RequeueAsync(attempt, "broke", default) : handler.EndAsync(attempt, JobState.Failed, "broke", default);
            });
            seen.Progress = 0.5;
            await Assert.ThrowsAsync<DbUpdateConcurrencyException>(() => db.SaveChangesAsync());
        });
    }

    [Fact]
    public async Task A_disk_that_fails_is_not_the_fault_of_who_uploads()
    {
        Directory.Delete(_database.Services.GetRequiredService<DataFolder>().Temporary, recursive: true);
        var context = new DefaultHttpContext();
        context.Request.ContentType = "multipart/form-data; boundary=b";
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\na,b\r\n--b--\r\n"));
        await Assert.ThrowsAsync<DirectoryNotFoundException>(() => UploadForm.ReadAsync(context.Request, "ten_a", _blobs, default));
    }

    private async Task AddAsync(JobState? job)
    {
        var file = await _blobs.WriteAsync("ten_a", "a,b\n1,x\n2,y\n3,x\n4,y\n"u8.ToArray(), default);
        await _database.WithAsync("ten_a", async db =>
        {
            db.Imports().Add(new Import
            {
                Id = "imp_1", Dataset = "people", Type = DatasetTypes.Tabular, State = ImportStates.Queued, Request = new ImportRequest(),
                Files = [new ImportFile("people.csv", file.Digest, null)], CreatedUtc = _clock.GetUtcNow().UtcDateTime,
            });
            if (job is { } state) _queue.Add(db, new JobKind(RunImport.Kind, RunImport.Lane, typeof(RunImport)), "imp_1").State = state;
            await db.SaveChangesAsync();
        });
    }

    private Task<int?> CancelAsync(TimeProvider clock, CancellationToken cancellationToken) => _database.WithAsync("ten_a", async db =>
    {
        var answer = await GetImport.HandleCancelAsync("imp_1", db, _queue, clock, cancellationToken);
        return ((IStatusCodeHttpResult)answer.Result).StatusCode;
    });

    private Task RunAsync(TimeProvider clock, Action<int> beforeScope) => _database.WithAsync("ten_a", db =>
    {
        // The file is there already: nothing is downloaded.
        var handler = new RunImport(
            db, _database.Services.GetRequiredService<DataFolder>(), _blobs, null!, _database.Limits, new ScriptedScopes(_database.Scopes, beforeScope), clock, NullLogger<RunImport>.Instance);
        return handler.RunAsync(new JobAttempt("job_1", "ten_a", RunImport.Kind, "imp_1", 1, 3), default);
    });

    private Task<Import> FindAsync() => _database.WithAsync("ten_a", db => db.Imports().AsNoTracking().SingleAsync());

    /// <summary>Every timer ticks once, at the moment it is made.</summary>
    private sealed class TickAtOnceClock : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            callback(state);
            return timer;
        }
    }
}
