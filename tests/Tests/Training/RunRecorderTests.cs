using Atoll.Tests.Platform;
using Atoll.Training;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Atoll.Tests.Training;

public sealed class RunRecorderTests : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(TimeProvider.System);
        await _database.AddTenantAsync("ten_a");
        await _database.WithAsync("ten_a", async db =>
        {
            db.Runs().Add(TestRuns.New("run_1", TimeProvider.System));
            await db.SaveChangesAsync();
        });
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_database_that_fails_for_a_moment_costs_no_line_and_no_training()
    {
        var recorder = Recorder(scope => scope <= 2);
        var writing = recorder.WriteAsync(default);
        await recorder.AddAsync("first", default);
        await recorder.AddAsync("second", default);
        recorder.Complete();
        await writing;
        Assert.Equal(["1 first", "2 second"], await _database.WithAsync("ten_a", db => db.RunLogs().OrderBy(log => log.Number).Select(log => $"{log.Number} {log.Message}").ToListAsync()));
    }

    [Fact]
    public async Task What_cannot_be_written_at_the_end_is_a_failure()
    {
        var recorder = Recorder(_ => true);
        await recorder.AddAsync("first", default);
        recorder.Complete();
        await Assert.ThrowsAsync<SqliteException>(() => recorder.WriteAsync(default));
    }

    private RunRecorder Recorder(Predicate<int> fails) => new(
        "ten_a", "run_1", new ScriptedScopes(_database.Scopes, scope =>
        {
            if (fails(scope)) throw new SqliteException("database is locked", 5);
        }), new RunSignals(), TimeProvider.System, NullLogger<RunRecorder>.Instance);
}
