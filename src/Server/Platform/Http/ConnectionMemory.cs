using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Atoll.Platform.Http;

/// <summary>What was found out for a request and is probably true of the next one on the same connection. Requests of HTTP/2 may change it at the same time.</summary>
/// <remarks>What is remembered must tell by itself whether it still holds.</remarks>
internal sealed class ConnectionMemory
{
    private object? _credential;
    private object? _address;

    /// <summary>Whose the last credential was.</summary>
    public object? Credential
    {
        get => Volatile.Read(ref _credential);
        set => Volatile.Write(ref _credential, value);
    }

    /// <summary>What the last address means.</summary>
    public object? Address
    {
        get => Volatile.Read(ref _address);
        set => Volatile.Write(ref _address, value);
    }

    /// <summary>Gives every connection one.</summary>
    public static void Use(ListenOptions listen) => listen.Use(next => connection =>
    {
        connection.Features.Set(new ConnectionMemory());
        return next(connection);
    });

    /// <summary>That of the request's connection; null when there is none.</summary>
    public static ConnectionMemory? Of(HttpContext context) => context.Features.Get<ConnectionMemory>();
}
