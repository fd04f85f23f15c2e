using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Atoll.Tenancy;

/// <summary>Counts the credentials that each client address got wrong within a minute.</summary>
/// <remarks>
/// Keys have 160 random bits and cannot be guessed; this keeps guessers from using up the database. An IPv6 client has a whole
/// network of addresses, so its network is what counts.
/// </remarks>
internal sealed class FailedCredentials(IOptions<TenancyOptions> options, TimeProvider clock)
{
    internal const int AddressesMax = 10_000;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<UInt128, Failures> _failures = [];

    /// <summary>How long the address must wait before another credential is looked at; null: it need not.</summary>
    public TimeSpan? WaitOf(IPAddress? address)
    {
        var now = clock.GetUtcNow();
        lock (_lock)
        {
            if (!_failures.TryGetValue(NetworkOf(address), out var found) || now >= found.Began + Window) return null;
            return found.Count >= options.Value.FailedCredentialsPerMinuteMax ? found.Began + Window - now : null;
        }
    }

    public void Count(IPAddress? address)
    {
        var now = clock.GetUtcNow();
        var network = NetworkOf(address);
        lock (_lock)
        {
            if (_failures.TryGetValue(network, out var found) && now < found.Began + Window)
            {
                _failures[network] = found with { Count = found.Count + 1 };
                return;
            }
            if (_failures.Count >= AddressesMax) MakeRoom_NeedsLock(now);
            _failures[network] = new Failures(now, 1);
        }
    }

    internal int AddressesKnown
    {
        get
        {
            lock (_lock) return _failures.Count;
        }
    }

    private void MakeRoom_NeedsLock(DateTimeOffset now)
    {
        foreach (var (network, failures) in _failures)
            if (now >= failures.Began + Window) _failures.Remove(network);

        // An attack from very many addresses: starting to count anew is better than growing.
        if (_failures.Count >= AddressesMax) _failures.Clear();
    }

    private static UInt128 NetworkOf(IPAddress? address)
    {
        if (address is null) return 0;
        Span<byte> bytes = stackalloc byte[16];
        address.MapToIPv6().TryWriteBytes(bytes, out _);
        if (address.AddressFamily == AddressFamily.InterNetworkV6 && !address.IsIPv4MappedToIPv6) bytes[8..].Clear();
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private readonly record struct Failures(DateTimeOffset Began, int Count);
}
