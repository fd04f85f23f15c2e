using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Atoll.Platform.Http;

/// <summary>Lets clients speak HTTP/2 without TLS on the port of HTTP/1.1, as those of gRPC do: their first bytes say so.</summary>
/// <remarks>
/// Without TLS nothing is negotiated, and Kestrel takes everything for HTTP/1.1 (docs/decisions/0008-http2-without-tls.md). With TLS
/// the first byte is that of a handshake, and ALPN decides.
/// </remarks>
internal static class CleartextHttp2
{
    public static void Use(ListenOptions listen) => listen.Use(next => connection => OnConnectionAsync(next, connection, listen.KestrelServerOptions.Limits));

    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    private static async Task OnConnectionAsync(ConnectionDelegate next, ConnectionContext connection, KestrelServerLimits limits)
    {
        if (await BeginsWithPrefaceAsync(connection, limits.KeepAliveTimeout))
        {
            var protocols = CreateProtocols(HttpProtocols.Http2);
            connection.Features[protocols.GetType()] = protocols;
        }
        await next(connection);
    }

    /// <summary>Looks at the first bytes and leaves them in place. Who sends nothing for long is left to the limits of HTTP/1.1.</summary>
    private static async ValueTask<bool> BeginsWithPrefaceAsync(ConnectionContext connection, TimeSpan wait)
    {
        var input = connection.Transport.Input;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        patience.CancelAfter(wait);
        var examined = 0L;
        while (true)
        {
            ReadResult result;
            try
            {
                result = await input.ReadAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
            catch (Exception failure) when (failure is IOException)
            {
                // Gone before it said a word; the server finds out by itself.
                return false;
            }
            var buffer = result.Buffer;
            var decided = Decide(buffer);
            if (decided is null && !result.IsCompleted)
            {
                examined = buffer.Length;
                input.AdvanceTo(buffer.Start, buffer.End);
                continue;
            }

            // Not everything counts as seen, so that the next reader gets it at once.
            input.AdvanceTo(buffer.Start, buffer.GetPosition(examined));
            return decided ?? false;
        }
    }

    /// <summary>Null while it can still become either.</summary>
    private static bool? Decide(in ReadOnlySequence<byte> buffer)
    {
        var length = (int)Math.Min(buffer.Length, Preface.Length);
        Span<byte> first = stackalloc byte[Preface.Length];
        buffer.Slice(0, length).CopyTo(first);
        if (!first[..length].SequenceEqual(Preface[..length])) return false;
        return length == Preface.Length ? true : null;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    [return: UnsafeAccessorType("Microsoft.AspNetCore.Server.Kestrel.Core.Internal.HttpProtocolsFeature, Microsoft.AspNetCore.Server.Kestrel.Core")]
    private static extern object CreateProtocols(HttpProtocols protocols);
}
