using System.Net;
using System.Net.Sockets;
using Atoll.Platform;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Atoll.Platform.Jobs;
using Microsoft.Extensions.Options;

namespace Atoll.Datasets;

/// <summary>Loads a file from an address that a tenant gave, and from nowhere that only the server may reach.</summary>
/// <remarks>
/// The check is made on the very address that is connected to, at every redirect, so that no name that changes its mind between check and
/// connection leads inside.
/// </remarks>
internal sealed class UrlDownload : IDisposable
{
    private const int RedirectsMax = 5;

    private readonly BlobStore _blobs;
    private readonly DatasetsOptions _options;
    private readonly long _bytesMax;
    private readonly HttpClient _http;

    public UrlDownload(BlobStore blobs, IOptions<DatasetsOptions> options, IOptions<AtollOptions> limits)
    {
        _blobs = blobs;
        _options = options.Value;
        _bytesMax = limits.Value.UploadBytesMax;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            ConnectCallback = ConnectAsync,
        };
        _http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(_options.DownloadSecondsMax) };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("atoll");
    }

    /// <summary>Null when the address may be tried.</summary>
    public static Problem? Check(string url) =>
        url.Length <= 4096 && Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0
            ? null
            : HttpProblems.InvalidField("url", "is not an address that can be loaded", "Give an http or https address without user and password.");

    /// <summary>Loads the file into the tenant's blobs.</summary>
    /// <exception cref="JobRefusedException">The address gives no file, or may not be used.</exception>
    public Task<ImportFile> LoadAsync(string tenantId, string url, string? split, CancellationToken cancellationToken) =>
        LoadAsync(url, (answer, uri) => StoreAsync(answer, tenantId, uri, split, cancellationToken), cancellationToken);

    /// <summary>Loads a small file into memory.</summary>
    /// <exception cref="JobRefusedException">The address gives no file, or may not be used, or there is more of it.</exception>
    public Task<byte[]> ReadAsync(string url, int bytesMax, CancellationToken cancellationToken) =>
        LoadAsync(url, async (answer, uri) =>
        {
            if (answer.Content.Headers.ContentLength > bytesMax) throw new JobRefusedException($"The file is larger than {bytesMax:N0} bytes.");
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            using var bytes = new MemoryStream();
            var block = new byte[1 << 16];
            try
            {
                for (int read; (read = await body.ReadAsync(block, cancellationToken)) > 0;)
                {
                    if (bytes.Length + read > bytesMax) throw new JobRefusedException($"The file is larger than {bytesMax:N0} bytes.");
                    bytes.Write(block, 0, read);
                }
            }
            catch (HttpIOException)
            {
                throw new JobRefusedException($"{uri.Host} broke off after {bytes.Length:N0} bytes.");
            }
            return bytes.ToArray();
        }, cancellationToken);

    private async Task<T> LoadAsync<T>(string url, Func<HttpResponseMessage, Uri, Task<T>> take, CancellationToken cancellationToken)
    {
        var uri = new Uri(url);
        try
        {
            for (int redirects = 0; redirects <= RedirectsMax; redirects++)
            {
                using var answer = await _http.GetAsync(uri, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
                if ((int)answer.StatusCode is >= 300 and < 400 && answer.Headers.Location is { } location)
                {
                    uri = new Uri(uri, location);
                    if (Check(uri.AbsoluteUri) is not null) throw new JobRefusedException($"{url} leads to an address that cannot be loaded. Give the address of the file itself.");

                    continue;
                }

                if (!answer.IsSuccessStatusCode) throw new JobRefusedException($"{uri.Host} answered {(int)answer.StatusCode}. Check that the file can be loaded without signing in.");

                return await take(answer, uri);
            }
        }
        catch (HttpRequestException exception)
        {
            throw new JobRefusedException(Innermost(exception) is PrivateAddressException inner ? inner.Message : $"{uri.Host} cannot be reached ({exception.HttpRequestError}). Check the address.");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new JobRefusedException($"{uri.Host} took more than {_options.DownloadSecondsMax} seconds. Load the file yourself and upload it.");
        }

        throw new JobRefusedException($"{url} redirects more than {RedirectsMax} times. Give the address of the file itself.");
    }

    public void Dispose() => _http.Dispose();

    private async Task<ImportFile> StoreAsync(HttpResponseMessage answer, string tenantId, Uri uri, string? split, CancellationToken cancellationToken)
    {
        if (answer.Content.Headers.ContentLength > _bytesMax) throw TooLarge();

        // Reading the body is no longer under the client's own timeout.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(_options.DownloadSecondsMax));
        await using var body = await answer.Content.ReadAsStreamAsync(patience.Token);
        await using var writer = _blobs.Create(tenantId);
        var block = new byte[1 << 16];
        long bytes = 0;
        try
        {
            for (int read; (read = await body.ReadAsync(block, patience.Token)) > 0;)
            {
                if ((bytes += read) > _bytesMax) throw TooLarge();

                await writer.Stream.WriteAsync(block.AsMemory(0, read), patience.Token);
            }
        }
        catch (HttpIOException)
        {
            throw new JobRefusedException($"{uri.Host} broke off after {bytes:N0} bytes. Try again, or load the file yourself and upload it.");
        }

        var stored = await writer.CommitAsync(cancellationToken);
        var name = Path.GetFileName(Uri.UnescapeDataString(uri.AbsolutePath));
        return new ImportFile(name.Length is 0 or > 255 ? "download" : name, stored.Digest, split);
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken);
        var allowed = _options.AllowPrivateAddresses ? addresses : [.. addresses.Where(IsPublic)];
        if (addresses.Length > 0 && allowed.Length == 0) throw new PrivateAddressException(context.DnsEndPoint.Host);

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Can anybody on the internet be there? Everything else is the server's own surroundings.</summary>
    internal static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // Only global unicast, and there neither the ranges that hold an IPv4 address (6to4, Teredo) nor those for documents.
            bool global = (bytes[0] & 0xE0) == 0x20;
            bool wraps = (bytes[0] == 0x20 && bytes[1] == 0x02) || (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 2);
            bool documents = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0D && bytes[3] == 0xB8;
            return global && !wraps && !documents;
        }

        return bytes[0] switch
        {
            0 or 10 or 127 or >= 224 => false,
            100 => bytes[1] is < 64 or > 127,
            169 => bytes[1] != 254,
            172 => bytes[1] is < 16 or > 31,
            192 => bytes[1] != 168 && !(bytes[1] == 0 && bytes[2] is 0 or 2) && !(bytes[1] == 88 && bytes[2] == 99),
            198 => bytes[1] is not (18 or 19) && !(bytes[1] == 51 && bytes[2] == 100),
            203 => !(bytes[1] == 0 && bytes[2] == 113),
            _ => true,
        };
    }

    private JobRefusedException TooLarge() => new($"The file is larger than {_bytesMax:N0} bytes. Divide it, or ask the operator to raise Atoll:UploadBytesMax.");

    private static Exception Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner) exception = inner;
        return exception;
    }

    private sealed class PrivateAddressException(string host)
        : IOException($"{host} is inside of the server's own network, from where nothing is loaded. Upload the file, or ask the operator to set Datasets:AllowPrivateAddresses.");
}
