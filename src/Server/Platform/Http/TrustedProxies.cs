using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace Atoll.Platform.Http;

/// <summary>Takes the client's address and scheme from the headers of proxies that the operator named, and from nobody else's.</summary>
internal static class TrustedProxies
{
    /// <exception cref="SettingsException">A text is neither an address nor a network.</exception>
    public static void UseTrustedProxies(this WebApplication app, string? proxies)
    {
        if (string.IsNullOrWhiteSpace(proxies)) return;

        // As many proxies in a row as are trusted; the first that is not is the client.
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var text in proxies.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (IPAddress.TryParse(text, out var address)) options.KnownProxies.Add(address);
            else if (System.Net.IPNetwork.TryParse(text, out var network)) options.KnownIPNetworks.Add(network);
            else throw new SettingsException($"The setting 'Atoll:TrustedProxies' has '{text}' in it, which is neither an address such as 10.1.2.3 nor a network such as 10.0.0.0/8.");
        }
        app.UseForwardedHeaders(options);
    }
}
