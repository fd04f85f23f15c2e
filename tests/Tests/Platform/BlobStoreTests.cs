using System.Security.Cryptography;
using System.Text;
using Atoll.Platform;
using Atoll.Platform.Blobs;

namespace Atoll.Tests.Platform;

public sealed class BlobStoreTests : IDisposable
{
    private const string Tenant = "ten_a";

    private readonly TestFolder _folder = new();
    private readonly DataFolder _data;
    private readonly BlobStore _blobs;

    public BlobStoreTests()
    {
        _data = DataFolder.Open(_folder.Path);
        _blobs = TestDatabase.NewBlobs(_data);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _data.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_blob_is_named_by_its_digest_and_reads_back()
    {
        var bytes = Encoding.UTF8.GetBytes("a coral ring");
        var reference = await _blobs.WriteAsync(Tenant, bytes, Token);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), reference.Digest);
        Assert.Equal(bytes.Length, reference.Bytes);
        Assert.Equal(bytes, await _blobs.ReadAllAsync(Tenant, reference.Digest, Token));
        Assert.Equal(bytes, await File.ReadAllBytesAsync(await _blobs.VerifiedPathAsync(Tenant, reference.Digest, Token), Token));
        Assert.Empty(Directory.EnumerateFiles(_data.Temporary));
    }

    [Fact]
    public async Task A_blob_cannot_be_seen_before_its_commit_and_leaves_nothing_without_one()
    {
        var bytes = Encoding.UTF8.GetBytes("half-done");
        await using (var writer = _blobs.Create(Tenant))
        {
            await writer.Stream.WriteAsync(bytes, Token);
            await writer.Stream.FlushAsync(Token);
            Assert.False(_blobs.Exists(Tenant, Convert.ToHexStringLower(SHA256.HashData(bytes))));
        }
        Assert.Empty(Directory.EnumerateFiles(_data.Temporary));
        Assert.Empty(Directory.EnumerateFiles(_data.Blobs, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_stream_that_breaks_leaves_nothing()
    {
        await Assert.ThrowsAsync<IOException>(() => _blobs.WriteAsync(Tenant, new BreakingStream(), Token));
        Assert.Empty(Directory.EnumerateFiles(_data.Temporary));
        Assert.Empty(Directory.EnumerateFiles(_data.Blobs, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("flipped bit")]
    [InlineData("cut short")]
    [InlineData("grown")]
    public async Task Damage_is_noticed_at_every_read(string damage)
    {
        var bytes = Encoding.UTF8.GetBytes("the bytes that were written");
        var reference = await _blobs.WriteAsync(Tenant, bytes, Token);
        byte[] damaged = damage switch { "flipped bit" => [(byte)(bytes[0] ^ 1), .. bytes[1..]], "cut short" => bytes[..^1], _ => [.. bytes, 0] };
        await File.WriteAllBytesAsync(_blobs.PathOf(Tenant, reference.Digest), damaged, Token);
        await Assert.ThrowsAsync<BlobCorruptException>(() => _blobs.ReadAllAsync(Tenant, reference.Digest, Token));
        await Assert.ThrowsAsync<BlobCorruptException>(() => _blobs.VerifiedPathAsync(Tenant, reference.Digest, Token));

        // Writing the same again heals it.
        await _blobs.WriteAsync(Tenant, bytes, Token);
        Assert.Equal(bytes, await _blobs.ReadAllAsync(Tenant, reference.Digest, Token));
    }

    [Fact]
    public async Task A_missing_blob_is_told_from_any_other_missing_file()
    {
        // No blob in the tenant's folder, and no folder of the tenant at all.
        var kept = await _blobs.WriteAsync(Tenant, "x"u8.ToArray(), Token);
        foreach (var (tenant, digest) in ((string, string)[])[(Tenant, kept.Digest[..63] + (kept.Digest[63] == '0' ? '1' : '0')), ("ten_none", kept.Digest)])
        {
            await Assert.ThrowsAsync<BlobMissingException>(() => _blobs.ReadAllAsync(tenant, digest, Token));
            await Assert.ThrowsAsync<BlobMissingException>(() => _blobs.VerifiedPathAsync(tenant, digest, Token));
            Assert.Throws<BlobMissingException>(() => _blobs.OpenPart(tenant, digest));
        }
    }

    [Theory]
    [InlineData("ten_a", "../../../../etc/passwd")]
    [InlineData("ten_a", "")]
    [InlineData("ten_a", "ABCDEF0000000000000000000000000000000000000000000000000000000000")]
    [InlineData("ten_a", "/000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("..", "0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("ten_a/..", "0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("", "0000000000000000000000000000000000000000000000000000000000000000")]
    public async Task A_wrong_row_can_never_name_a_file_outside(string tenant, string digest)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => _blobs.ReadAllAsync(tenant, digest, Token));
        Assert.Throws<ArgumentException>(() => _blobs.DeleteOlder(tenant, digest, DateTime.MaxValue));
        Assert.Throws<ArgumentException>(() => _blobs.OpenPart(tenant, digest));
    }

    [Fact]
    public async Task Tenants_do_not_share_blobs_and_deleting_one_leaves_the_other()
    {
        var bytes = Encoding.UTF8.GetBytes("the same bytes");
        var reference = await _blobs.WriteAsync("ten_a", bytes, Token);
        Assert.False(_blobs.Exists("ten_b", reference.Digest));
        await _blobs.WriteAsync("ten_b", bytes, Token);
        _blobs.DeleteTenant("ten_a");
        Assert.False(_blobs.Exists("ten_a", reference.Digest));
        Assert.Equal(bytes, await _blobs.ReadAllAsync("ten_b", reference.Digest, Token));

        // A tenant of that id could come back; the store must make its folders anew.
        await _blobs.WriteAsync("ten_a", bytes, Token);
        Assert.True(_blobs.Exists("ten_a", reference.Digest));
    }

    [Fact]
    public async Task Many_writers_of_the_same_and_of_different_bytes_all_succeed()
    {
        await Task.WhenAll(Enumerable.Range(0, 32).Select(async i =>
        {
            var bytes = BitConverter.GetBytes(i % 4);
            var reference = await _blobs.WriteAsync(Tenant, bytes, Token);
            Assert.Equal(bytes, await _blobs.ReadAllAsync(Tenant, reference.Digest, Token));
        }));
        Assert.Equal(4, Directory.EnumerateFiles(_data.Blobs, "*", SearchOption.AllDirectories).Count());
    }

    private sealed class BreakingStream : MemoryStream
    {
        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) => CopyAndBreakAsync(destination, cancellationToken);

        private static async Task CopyAndBreakAsync(Stream destination, CancellationToken cancellationToken)
        {
            await destination.WriteAsync(new byte[100_000], cancellationToken);
            throw new IOException("The client went away.");
        }
    }
}
