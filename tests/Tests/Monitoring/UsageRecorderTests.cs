using System.Diagnostics.Metrics;
using Atoll.Deployments;
using Atoll.Monitoring;
using Atoll.Platform.Database;
using Atoll.Platform.Telemetry;
using Atoll.Serving;
using Atoll.Tests.Platform;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Atoll.Tests.Monitoring;

public sealed class UsageRecorderTests : IAsyncLifetime
{
    private readonly VirtualClock _clock = new(new DateTimeOffset(2030, 1, 31, 23, 59, 50, TimeSpan.Zero));
    private readonly UsageCounters _counters = new();
    private TestDatabase _database = null!;
    private ServedModels _models = null!;
    private UsageRecorder _recorder = null!;
    private bool _isBroken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(_clock, services => services.AddMetrics());
        await _database.AddTenantAsync("ten_a");
        await _database.AddTenantAsync("ten_b");
        _models = new ServedModels(
            _database.NewBlobs(), _database.Limits, Options.Create(new DeploymentsOptions()), new HotModelOptions(), _database.Services.GetRequiredService<IMeterFactory>(), _counters, _clock, NullLogger<ServedModels>.Instance);
        var scopes = new ScriptedScopes(_database.Scopes, _ =>
        {
            if (_isBroken) throw new IOException("The disk is full.");
        });
        _recorder = new UsageRecorder(
            _counters, _models, scopes, Options.Create(new MonitoringOptions { UsageSeconds = 15, UsageDays = 2 }), _clock, NullLogger<UsageRecorder>.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        _recorder.Dispose();
        await _models.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Days_add_up_and_begin_anew_at_midnight()
    {
        Count("ten_a", 1);
        await _recorder.FlushAsync(default);
        Count("ten_a", 2);
        Count("ten_b", 5);
        _clock.Advance(TimeSpan.FromSeconds(10));
        await _recorder.FlushAsync(default);
        Count("ten_a", 4);
        await _recorder.FlushAsync(default);
        Assert.Equal(["ten_a 2030-01-31 3", "ten_a 2030-02-01 4", "ten_b 2030-01-31 5"], await ReadAsync());
    }

    [Fact]
    public async Task What_cannot_be_written_is_written_later()
    {
        Count("ten_a", 1);
        _isBroken = true;
        await Assert.ThrowsAsync<IOException>(() => _recorder.FlushAsync(default));
        Count("ten_a", 2);
        _isBroken = false;
        await _recorder.FlushAsync(default);
        Assert.Equal(["ten_a 2030-01-31 3"], await ReadAsync());
    }

    [Fact]
    public async Task What_could_not_be_written_before_midnight_keeps_its_day()
    {
        Count("ten_a", 1);
        _isBroken = true;
        _clock.Advance(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<IOException>(() => _recorder.FlushAsync(default));
        Count("ten_a", 2);
        _isBroken = false;
        await _recorder.FlushAsync(default);
        Assert.Equal(["ten_a 2030-01-31 1", "ten_a 2030-02-01 2"], await ReadAsync());
    }

    [Fact]
    public async Task A_tenant_that_is_gone_leaves_no_row_and_holds_up_nobody()
    {
        Count("ten_gone", 1);
        Count("ten_a", 1);
        await _recorder.FlushAsync(default);
        Assert.Equal(["ten_a 2030-01-31 1"], await ReadAsync());
    }

    [Fact]
    public async Task Old_days_are_swept()
    {
        Count("ten_a", 1);
        await _recorder.FlushAsync(default);
        for (var day = 0; day < 3; day++)
        {
            _clock.Advance(TimeSpan.FromDays(1));
            await _recorder.FlushAsync(default);
            if (day == 1) Assert.Single(await ReadAsync());
        }
        Assert.Empty(await ReadAsync());
    }

    [Fact]
    public async Task A_stop_writes_what_was_counted_last()
    {
        await _recorder.StartAsync(default);
        Count("ten_a", 7);
        await _recorder.StopAsync(default);
        await _recorder.StoppedAsync(default);
        Assert.Equal(["ten_a 2030-01-31 7"], await ReadAsync());
    }

    private void Count(string tenant, int samples) => _counters.CountRun(tenant, samples, TimeSpan.FromMilliseconds(1));

    private Task<List<string>> ReadAsync() => _database.WithAsync(null, async db =>
        (await db.UsageDays().IgnoreQueryFilters([PlatformDb.TenantFilter]).AsNoTracking().OrderBy(usage => usage.TenantId).ThenBy(usage => usage.Day).ToListAsync())
        .ConvertAll(usage => $"{usage.TenantId} {usage.Day} {usage.Samples}"));
}
