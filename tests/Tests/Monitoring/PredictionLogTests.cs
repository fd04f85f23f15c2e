using System.Diagnostics.Metrics;
using System.Text;
using Atoll.Deployments;
using Atoll.Monitoring;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Registry;
using Atoll.Tests.Platform;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Atoll.Tests.Monitoring;

/// <summary>The log by itself: nothing writes or sweeps but the test.</summary>
public sealed class PredictionLogTests : IAsyncLifetime
{
    private readonly VirtualClock _clock = new(new DateTimeOffset(2030, 1, 31, 12, 0, 0, TimeSpan.Zero));
    private readonly TenantLimits _limits = new();
    private TestDatabase _database = null!;
    private DataFolder _folder = null!;
    private DiskUsage _disk = null!;
    private PredictionLog _log = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock, services => services.AddMetrics());
        await _database.AddTenantAsync("ten_a");
        _folder = _database.Services.GetRequiredService<DataFolder>();
        _disk = new DiskUsage(_folder, _ => _limits);
        _log = new PredictionLog(
            _folder, _disk, _database.Scopes, _database.Services.GetRequiredService<IMeterFactory>(), _clock, NullLogger<PredictionLog>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        _log.Dispose();
        await _database.DisposeAsync();
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.5)]
    [InlineData(1)]
    public void As_many_are_chosen_as_the_rate_says(double rate)
    {
        const int Times = 100_000;
        var taken = Enumerable.Range(0, Times).Count(_ => _log.Takes(rate));
        Assert.InRange(taken, (Times * rate) - 1_000, (Times * rate) + 1_000);
    }

    [Fact]
    public void What_comes_faster_than_it_is_written_is_dropped_and_nobody_waits()
    {
        for (var i = 0; i < 5_000; i++) _log.Add("ten_a", "ept_a", "{}\n"u8.ToArray());
        Assert.Equal((false, true), (_log.HasRoom("ten_a"), _log.HasRoom("ten_b")));
        _log.Flush();
        Assert.Equal([new PredictionLogFile("2030-01-31", 1_024 * 3)], _log.FilesOf("ten_a", "ept_a"));
        Assert.True(_log.HasRoom("ten_a"));
        _log.Add("ten_a", "ept_a", "{}\n"u8.ToArray());
        _log.Flush();
        Assert.Equal(1_025 * 3, Assert.Single(_log.FilesOf("ten_a", "ept_a")).Bytes);
    }

    [Fact]
    public void The_lines_that_wait_are_bounded_in_bytes_too()
    {
        // A tenant has a quarter, so that the lines of others are kept beside one that logs everything.
        string[] tenants = ["ten_a", "ten_b", "ten_c", "ten_d", "ten_e"];
        foreach (var tenant in tenants)
            for (var i = 0; i < 100; i++) _log.Add(tenant, "ept_a", new byte[PredictionLog.LineBytesMax]);
        _log.Add("ten_a", "ept_a", new byte[PredictionLog.LineBytesMax + 1]);
        Assert.False(_log.HasRoom("ten_e"));
        _log.Flush();
        Assert.Equal([4L << 20, 4L << 20, 4L << 20, 4L << 20, 0], tenants.Select(tenant => _log.FilesOf(tenant, "ept_a").Sum(file => file.Bytes)));
    }

    [Fact]
    public void Files_that_cannot_be_counted_cost_lines_and_nothing_else()
    {
        var isBroken = true;
        using var log = new PredictionLog(
            _folder, new DiskUsage(_folder, _ => isBroken ? throw new IOException("The disk failed.") : _limits), _database.Scopes,
            _database.Services.GetRequiredService<IMeterFactory>(), _clock, NullLogger<PredictionLog>.Instance);
        log.Add("ten_a", "ept_a", new byte[8]);
        log.Flush();
        isBroken = false;
        log.Add("ten_a", "ept_a", new byte[8]);
        log.Flush();
        Assert.Equal(8, Assert.Single(log.FilesOf("ten_a", "ept_a")).Bytes);
    }

    [Fact]
    public void A_tenant_without_room_keeps_no_more_and_gets_its_room_back()
    {
        _limits.DiskBytesMax = 10;
        _log.Add("ten_a", "ept_a", new byte[8]);
        _log.Flush();
        _log.Add("ten_a", "ept_a", new byte[8]);
        _log.Flush();
        Assert.Equal(8, Assert.Single(_log.FilesOf("ten_a", "ept_a")).Bytes);
        Assert.Equal(8, _disk.BytesOf("ten_a"));
        _log.Delete("ten_a", "ept_a");
        Assert.Equal(0, _disk.BytesOf("ten_a"));

        // Counted anew, as after a start.
        _log.Add("ten_a", "ept_a", new byte[8]);
        _log.Flush();
        Assert.Equal(8, new DiskUsage(_folder, _ => _limits).BytesOf("ten_a"));
    }

    [Fact]
    public async Task Days_go_when_their_time_is_over_and_with_their_endpoint()
    {
        await _database.WithAsync("ten_a", async db =>
        {
            db.Add(new Model { Id = "mdl_a", Name = "leads", CreatedUtc = _clock.GetUtcNow().UtcDateTime, LatestVersion = 1 });
            db.Add(new Endpoint { Id = "ept_a", Name = "leads", ModelId = "mdl_a", LogRate = 1, LogDays = 2 });
            await db.SaveChangesAsync();
        });
        for (var day = 0; day < 5; day++)
        {
            _log.Add("ten_a", "ept_a", Encoding.UTF8.GetBytes("{}\n"));
            _log.Add("ten_a", "ept_gone", Encoding.UTF8.GetBytes("{}\n"));
            _log.Flush();
            if (day < 4) _clock.Advance(TimeSpan.FromDays(1));
        }
        await _log.SweepAsync(default);
        Assert.Equal(["2030-02-02", "2030-02-03", "2030-02-04"], _log.FilesOf("ten_a", "ept_a").Select(file => file.Day));
        Assert.False(Directory.Exists(Path.Combine(_folder.Predictions, "ten_a", "ept_gone")));
        Assert.Equal(9, _disk.BytesOf("ten_a"));
    }

    [Fact]
    public void Lines_of_a_tenant_that_is_gone_are_not_written_any_more()
    {
        _log.Add("ten_a", "ept_a", "{}\n"u8.ToArray());
        _log.Flush();
        _log.Add("ten_a", "ept_a", "{}\n"u8.ToArray());
        _log.Forget("ten_a");
        _log.Flush();
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Predictions));
    }
}
