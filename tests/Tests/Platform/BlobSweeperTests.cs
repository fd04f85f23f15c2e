using System.Runtime.CompilerServices;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Atoll.Tests.Platform;

public sealed class BlobSweeperTests : IDisposable
{
    private const string Tenant = "ten_sweep";
    private static readonly TimeSpan Grace = TimeSpan.FromHours(24);

    private readonly TestFolder _temporary = new();
    private readonly DataFolder _folder;
    private readonly BlobStore _blobs;
    private readonly ServiceProvider _services;
    private readonly References _references = new();

    public BlobSweeperTests()
    {
        _folder = DataFolder.Open(Path.Combine(_temporary.Path, "data"));
        _blobs = TestDatabase.NewBlobs(_folder);
        var services = new ServiceCollection();
        services.AddSingleton(_folder);
        services.AddSqliteDatabase();
        _services = services.BuildServiceProvider();
    }

    [Fact]
    public async Task Only_what_is_old_and_named_by_nothing_goes()
    {
        var (named, unnamed, young) = (await WriteAsync("named"), await WriteAsync("unnamed"), await WriteAsync("young"));
        Age(named);
        Age(unnamed);
        _references.Named.Add(named);
        Assert.Equal("unnamed".Length, await SweepAsync());
        Assert.True(_blobs.Exists(Tenant, named));
        Assert.False(_blobs.Exists(Tenant, unnamed));
        Assert.True(_blobs.Exists(Tenant, young));
    }

    [Fact]
    public async Task Bytes_that_are_stored_again_during_a_sweep_stay()
    {
        var digest = await WriteAsync("the same bytes");
        Age(digest);

        // The row that will name them is not there yet when the sweep asks.
        _references.WhileReading = () => WriteAsync("the same bytes");
        Assert.Equal(0, await SweepAsync());
        Assert.True(_blobs.Exists(Tenant, digest));
    }

    public void Dispose()
    {
        _services.Dispose();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        _folder.Dispose();
        _temporary.Dispose();
    }

    private async Task<string> WriteAsync(string text) =>
        (await _blobs.WriteAsync(Tenant, System.Text.Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken)).Digest;

    private void Age(string digest) =>
        File.SetLastWriteTimeUtc(Path.Combine(_folder.Blobs, Tenant, digest[..2], digest), TimeProvider.System.GetUtcNow().UtcDateTime - 2 * Grace);

    private Task<long> SweepAsync() => new BlobSweeper(
            _folder, _blobs, _services.GetRequiredService<IServiceScopeFactory>(), [_references], TimeProvider.System, NullLogger<BlobSweeper>.Instance)
        .SweepAsync(Grace, TestContext.Current.CancellationToken);

    private sealed class References : IBlobReferences
    {
        public List<string> Named { get; } = [];

        public Func<Task>? WhileReading { get; set; }

        public async IAsyncEnumerable<string> ReadDigestsAsync(PlatformDb db, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            if (WhileReading is not null) await WhileReading();
            foreach (var digest in Named) yield return digest;
        }
    }
}
