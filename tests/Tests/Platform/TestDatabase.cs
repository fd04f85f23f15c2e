using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Atoll.Platform.Limits;
using Atoll.Tenancy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Atoll.Tests.Platform;

/// <summary>The real database in a data folder of its own, without a server around it.</summary>
internal sealed class TestDatabase : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DataFolder _data;
    private readonly ServiceProvider _services;

    private TestDatabase(TimeProvider clock, Action<IServiceCollection>? configure)
    {
        _data = DataFolder.Open(_folder.Path);
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(_data);
        services.AddSingleton(clock);
        services.AddSqliteDatabase();
        services.AddSingleton(Options.Create(new TenantLimits()));
        services.AddSingleton<TenantLimitsDirectory>();
        configure?.Invoke(services);
        _services = services.BuildServiceProvider();
    }

    public IServiceProvider Services => _services;

    public IServiceScopeFactory Scopes => _services.GetRequiredService<IServiceScopeFactory>();

    public TenantLimitsDirectory Limits => _services.GetRequiredService<TenantLimitsDirectory>();

    /// <summary>Blobs in the folder of the database.</summary>
    public BlobStore NewBlobs() => NewBlobs(_data);

    /// <summary>Blobs without limits.</summary>
    public static BlobStore NewBlobs(DataFolder folder) => new(folder, new DiskUsage(folder, _ => new TenantLimits()));

    public static async Task<TestDatabase> CreateAsync(TimeProvider clock, Action<IServiceCollection>? configure = null)
    {
        var database = new TestDatabase(clock, configure);
        await SqliteDatabase.MigrateAsync(database._services, TestContext.Current.CancellationToken);
        return database;
    }

    /// <summary>A tenant's row, so that others may point to it.</summary>
    public async Task AddTenantAsync(string id) => await WithAsync(null, async db =>
    {
        db.Tenants().Add(new Tenant { Id = id, Name = id.Replace('_', '-'), CreatedUtc = DateTime.UnixEpoch });
        await db.SaveChangesAsync();
    });

    /// <summary>Works in a scope of its own, for a tenant or for none.</summary>
    public async Task<T> WithAsync<T>(string? tenantId, Func<PlatformDb, Task<T>> work)
    {
        await using var scope = Scopes.CreateAsyncScope();
        if (tenantId is not null) scope.ServiceProvider.GetRequiredService<TenantScope>().Enter(tenantId);
        return await work(scope.ServiceProvider.GetRequiredService<PlatformDb>());
    }

    public async Task WithAsync(string? tenantId, Func<PlatformDb, Task> work) => await WithAsync(tenantId, async db =>
    {
        await work(db);
        return true;
    });

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        Microsoft.Data.Sqlite.SqliteConnection.ClearPool(new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={_data.DatabaseFile}"));
        _data.Dispose();
        _folder.Dispose();
    }
}
