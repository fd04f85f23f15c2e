using System.Collections.Concurrent;
using System.Security.Cryptography;
using Atoll.Platform.Blobs;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Atoll.Tests.Platform;

/// <summary>Copies on the local disk of artifacts that are far away.</summary>
public sealed class LocalArtifactCacheTests : IDisposable
{
    private const string Tenant = "ten_a";

    private readonly TestFolder _folder = new();
    private readonly FarStore _far = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_artifact_is_fetched_once_however_many_ask_and_comes_from_the_disk_afterwards()
    {
        var cache = NewCache(10_000);
        var digest = _far.Add(1, 1_000);
        _far.Gate = new TaskCompletionSource();
        using var leaving = new CancellationTokenSource();
        var left = cache.ReadAllAsync(Tenant, digest, leaving.Token);
        var others = Enumerable.Range(0, 5).Select(_ => cache.ReadAllAsync(Tenant, digest, Token)).ToList();
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        _far.Gate.SetResult();
        foreach (var bytes in await Task.WhenAll(others)) Assert.Equal(_far.Stored[digest], bytes);
        Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync(Tenant, digest, Token));
        Assert.Equal((1, 1_000L), (_far.Reads, cache.Bytes));

        // Copies of tenants are kept apart, and go with them.
        await cache.ReadAllAsync("ten_b", digest, Token);
        Assert.Equal((2, 2_000L), (_far.Reads, cache.Bytes));
        cache.Forget(Tenant);
        Assert.Equal(1_000, cache.Bytes);
        await cache.ReadAllAsync(Tenant, digest, Token);
        Assert.Equal(3, _far.Reads);
    }

    [Fact]
    public async Task Copies_stay_within_their_budget_and_a_sweep_does_not_push_out_what_is_used()
    {
        var cache = NewCache(10_000);
        var used = _far.Add(1, 1_000);
        for (var i = 0; i < 3; i++) await cache.ReadAllAsync(Tenant, used, Token);
        for (var i = 10; i < 60; i++)
        {
            await cache.ReadAllAsync("ten_sweeper", _far.Add(i, 700), Token);
            Assert.InRange(cache.Bytes, 1_000, 10_000);
            Assert.Equal(cache.Bytes, BytesOnDisk);
        }
        var reads = _far.Reads;
        await cache.ReadAllAsync(Tenant, used, Token);
        Assert.Equal(reads, _far.Reads);

        // What is larger than all of it passes through and moves nothing.
        var (huge, before) = (_far.Add(99, 20_000), cache.Bytes);
        Assert.Equal(20_000, (await cache.ReadAllAsync(Tenant, huge, Token)).Length);
        Assert.Equal(before, cache.Bytes);
    }

    [Fact]
    public async Task Copies_survive_a_restart_and_what_a_crash_or_a_disk_broke_is_fetched_again()
    {
        var (whole, torn) = (_far.Add(1, 1_000), _far.Add(2, 1_000));
        var first = NewCache(10_000);
        await first.ReadAllAsync(Tenant, whole, Token);
        await first.ReadAllAsync(Tenant, torn, Token);
        await File.WriteAllBytesAsync(Path.Combine(_folder.Path, Tenant, torn), new byte[1_000], Token);
        await File.WriteAllBytesAsync(Path.Combine(_folder.Path, Tenant, "half.tmp"), new byte[500], Token);

        var second = NewCache(10_000);
        Assert.Equal(2_000, second.Bytes);
        Assert.False(File.Exists(Path.Combine(_folder.Path, Tenant, "half.tmp")));
        Assert.Equal(_far.Stored[whole], await second.ReadAllAsync(Tenant, whole, Token));
        Assert.Equal(2, _far.Reads);
        Assert.Equal(_far.Stored[torn], await second.ReadAllAsync(Tenant, torn, Token));
        Assert.Equal(_far.Stored[torn], await second.ReadAllAsync(Tenant, torn, Token));
        Assert.Equal((3, 2_000L), (_far.Reads, second.Bytes));

        // A smaller budget holds from the start on.
        Assert.Equal(1_000, NewCache(1_500).Bytes);
    }

    [Fact]
    public async Task What_the_store_gives_wrongly_is_refused_and_not_kept()
    {
        var cache = NewCache(10_000);
        var digest = _far.Add(1, 1_000);
        _far.Stored[digest] = new byte[1_000];
        await Assert.ThrowsAsync<BlobCorruptException>(() => cache.ReadAllAsync(Tenant, digest, Token));
        await Assert.ThrowsAsync<FileNotFoundException>(() => cache.ReadAllAsync(Tenant, new string('0', 64), Token));
        Assert.Equal(0, cache.Bytes);
        Assert.Empty(Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task What_is_fetched_for_a_tenant_that_is_forgotten_meanwhile_is_given_and_not_kept()
    {
        var cache = NewCache(10_000);
        var digest = _far.Add(1, 1_000);
        _far.Gate = new TaskCompletionSource();
        var before = cache.ReadAllAsync(Tenant, digest, Token);
        cache.Forget(Tenant);
        _far.Gate.SetResult();
        Assert.Equal(_far.Stored[digest], await before);
        Assert.Equal((0L, 0L), (cache.Bytes, BytesOnDisk));

        // Who comes after it begins anew, beside the fetch that nobody keeps.
        _far.Gate = new TaskCompletionSource();
        before = cache.ReadAllAsync(Tenant, digest, Token);
        cache.Forget(Tenant);
        var after = cache.ReadAllAsync(Tenant, digest, Token);
        _far.Gate.SetResult();
        foreach (var bytes in await Task.WhenAll(before, after)) Assert.Equal(_far.Stored[digest], bytes);
        Assert.Equal((1_000L, 1_000L, 3), (cache.Bytes, BytesOnDisk, _far.Reads));
    }

    [Fact]
    public async Task A_copy_that_cannot_be_written_leaves_nothing_behind()
    {
        var cache = NewCache(10_000);
        var digest = _far.Add(1, 1_000);
        Directory.CreateDirectory(Path.Combine(_folder.Path, Tenant, digest));
        Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync(Tenant, digest, Token));
        Assert.Equal((0L, 0L), (cache.Bytes, BytesOnDisk));
    }

    [Fact]
    public async Task A_copy_that_somebody_removed_or_made_unreadable_is_fetched_again()
    {
        var cache = NewCache(10_000);
        var digest = _far.Add(1, 1_000);
        var path = Path.Combine(_folder.Path, Tenant, digest);
        await cache.ReadAllAsync(Tenant, digest, Token);
        Directory.Delete(Path.Combine(_folder.Path, Tenant), recursive: true);
        Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync(Tenant, digest, Token));
        Assert.Equal((2, 1_000L, 1_000L), (_far.Reads, cache.Bytes, BytesOnDisk));

        File.Delete(path);
        Directory.CreateDirectory(path);
        Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync(Tenant, digest, Token));
        Directory.Delete(path);
        Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync(Tenant, digest, Token));
        Assert.Equal((4, 1_000L, 1_000L), (_far.Reads, cache.Bytes, BytesOnDisk));

        // What cannot be removed does not keep others from getting room.
        File.Delete(path);
        Directory.CreateDirectory(path);
        for (var i = 10; i < 20; i++) await cache.ReadAllAsync("ten_b", _far.Add(i, 2_500), Token);
        Assert.Equal(cache.Bytes, BytesOnDisk);
    }

    [Fact]
    public async Task Stress_of_many_that_find_the_same_torn_copy_fetches_it_once_and_counts_it_once()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 100; round++)
        {
            var digest = _far.Add(random.Next(), random.Next(1_000, 50_000));
            Directory.CreateDirectory(Path.Combine(_folder.Path, Tenant));
            await File.WriteAllBytesAsync(Path.Combine(_folder.Path, Tenant, digest), new byte[random.Next(50_000)], Token);
            var (cache, reads) = (NewCache(1_000_000), _far.Reads);
            using var start = new Barrier(4);
            var readers = Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait(Token);
                    return cache.ReadAllAsync(Tenant, digest, Token);
                },
                Token, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()).ToList();
            foreach (var bytes in await Task.WhenAll(readers)) Assert.Equal(_far.Stored[digest], bytes);
            Assert.Equal((1, cache.Bytes), (_far.Reads - reads, BytesOnDisk));
            cache.Forget(Tenant);
            Assert.Equal((0L, 0L), (cache.Bytes, BytesOnDisk));
        }
    }

    [Fact]
    public async Task Stress_of_reads_evictions_and_deletions_never_gives_a_wrong_byte()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var cache = NewCache(5_000);
        var digests = Enumerable.Range(0, 20).Select(i => _far.Add(i, 300 + (i * 20))).ToList();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
        {
            var random = new Random(seed + worker);
            for (var i = 0; i < 200; i++)
            {
                if (random.Next(50) == 0) cache.Forget($"ten_{random.Next(2)}");
                var digest = digests[random.Next(digests.Count)];
                Assert.Equal(_far.Stored[digest], await cache.ReadAllAsync($"ten_{random.Next(2)}", digest, Token));
                Assert.InRange(cache.Bytes, 0, 5_000);
            }
        }, Token)));
        Assert.Equal(cache.Bytes, BytesOnDisk);
    }

    private long BytesOnDisk => Directory.EnumerateFiles(_folder.Path, "*", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length);

    private LocalArtifactCache NewCache(long bytesMax) => new(_folder.Path, bytesMax, _far.OpenAsync, NullLogger<LocalArtifactCache>.Instance);

    /// <summary>A store behind a slow line.</summary>
    private sealed class FarStore
    {
        private int _reads;

        public ConcurrentDictionary<string, byte[]> Stored { get; } = new();

        public TaskCompletionSource? Gate { get; set; }

        public int Reads => Volatile.Read(ref _reads);

        public string Add(int seed, int length)
        {
            var bytes = new byte[length];
            new Random(seed).NextBytes(bytes);
            var digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
            Stored[digest] = bytes;
            return digest;
        }

        public async Task<Stream> OpenAsync(string tenantId, string digest, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _reads);
            if (Gate is { } gate) await gate.Task.WaitAsync(cancellationToken);
            await Task.Yield();
            return Stored.TryGetValue(digest, out var bytes) ? new MemoryStream(bytes) : throw new FileNotFoundException($"There is no {digest}.");
        }
    }
}
