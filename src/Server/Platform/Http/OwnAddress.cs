using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace Atoll.Platform.Http;

/// <summary>The addresses by which this server may be called. A Host header is a client's word and makes none.</summary>
/// <remarks>
/// With <c>Atoll:PublicUrl</c> it has that one. Without, it has those that it listens on and the one that the connection really goes to, and
/// <c>localhost</c> where that is the same machine. Otherwise a proof that was made for another server could be used here by sending that one's name
/// as Host, and links could be made to lead anywhere.
/// </remarks>
internal sealed class OwnAddress(IOptions<AtollOptions> options, IServer server)
{
    /// <summary>The address for links: as the client wrote it when it is one of ours.</summary>
    public string Of(HttpContext context)
    {
        var all = AllOf(context);
        var written = Normalize($"{context.Request.Scheme}://{context.Request.Host}");
        return written is not null && all.Contains(written, StringComparer.OrdinalIgnoreCase) ? written : all[0];
    }

    /// <summary>Every address that means this server, without a trailing slash; the best one first.</summary>
    public IReadOnlyList<string> AllOf(HttpContext context)
    {
        if (options.Value.PublicUrl is { Length: > 0 } configured) return [configured.TrimEnd('/')];
        var connection = context.Connection;
        List<string?> all = [];
        if (connection.LocalIpAddress is { } address)
        {
            if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
            var host = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : $"{address}";
            all.Add(Normalize($"{context.Request.Scheme}://{host}:{connection.LocalPort}"));
            if (IPAddress.IsLoopback(address)) all.Add(Normalize($"{context.Request.Scheme}://localhost:{connection.LocalPort}"));
        }

        // Those that name no address, such as http://+:8080, only say that there are some.
        all.AddRange((server.Features.Get<IServerAddressesFeature>()?.Addresses ?? []).Select(Normalize));
        return [.. all.OfType<string>().Distinct(StringComparer.OrdinalIgnoreCase)];
    }

    private static string? Normalize(string url) =>
        Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Host is not ("" or "+" or "*" or "0.0.0.0" or "[::]") ? uri.GetLeftPart(UriPartial.Authority) : null;
}
