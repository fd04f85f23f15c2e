using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Atoll.Tests.Platform.Grpc;

namespace Atoll.Tests.Platform.Http;

/// <summary>Which protocol of HTTP a connection speaks.</summary>
public sealed class CleartextHttp2Tests(EchoServer server) : IClassFixture<EchoServer>
{
    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();
    private static readonly byte[] EmptySettings = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Both_protocols_are_spoken_on_one_port_without_tls(string version)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{server.Address}/protocol")
        {
            Version = Version.Parse(version), VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(version == "2.0" ? "HTTP/2" : "HTTP/1.1", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task With_tls_the_client_and_the_server_agree_by_alpn()
    {
        using var key = RSA.Create(2048);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        using var folder = new TestFolder();
        var file = Path.Combine(folder.Path, "server.pfx");
        await File.WriteAllBytesAsync(file, certificate.Export(X509ContentType.Pfx, "secret"), TestContext.Current.CancellationToken);
        await using var secure = new TestServer
        {
            Settings = ["--Atoll:Urls=https://127.0.0.1:0", $"--Kestrel:Certificates:Default:Path={file}", "--Kestrel:Certificates:Default:Password=secret"],
        };
        await secure.InitializeAsync();
        foreach (var (asked, spoken) in ((Version, Version)[])[(HttpVersion.Version11, HttpVersion.Version11), (HttpVersion.Version20, HttpVersion.Version20)])
        {
            using var handler = Trusting();
            using var http = new HttpClient(handler);
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{secure.Server.Address}/healthz") { Version = asked, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
            using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.Equal((HttpStatusCode.OK, spoken), (answer.StatusCode, answer.Version));
        }
        using var grpc = new GrpcTestClient(secure.Server.Address, null, Trusting());
        Assert.Equal(Atoll.Platform.Grpc.StatusCode.OK, (await grpc.SendAsync("/inference.GRPCInferenceService/ServerLive", GrpcTestClient.Frame([]))).Status);

        static SocketsHttpHandler Trusting() => new() { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true } };
    }

    /// <summary>Requests of HTTP/1.1 that begin like the preface, cut into pieces at every place.</summary>
    [Theory]
    [InlineData("PRI * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 4")]
    [InlineData("PROPFIND /protocol HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 405")]
    [InlineData("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd", "HTTP/1.1 200")]
    [InlineData("GET /protocol HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200")]
    public async Task First_bytes_may_come_one_by_one(string request, string beginning)
    {
        var bytes = Encoding.ASCII.GetBytes(request);
        for (var cut = 1; cut < Preface.Length; cut++)
        {
            using var socket = await ConnectAsync();
            await SendAsync(socket, bytes[..cut]);
            await SendAsync(socket, bytes[cut..]);
            Assert.StartsWith(beginning, Encoding.ASCII.GetString(await ReadToEndAsync(socket)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_preface_may_come_in_pieces()
    {
        for (var cut = 1; cut <= Preface.Length; cut++)
        {
            using var socket = await ConnectAsync();
            await SendAsync(socket, Preface[..cut]);
            await SendAsync(socket, [.. Preface[cut..], .. EmptySettings]);
            Assert.Equal(4, (await ReadFrameAsync(socket)).Type);
        }
    }

    [Fact]
    public async Task Who_goes_away_before_a_protocol_is_known_is_let_go()
    {
        foreach (var said in (string[])["", "P", "PRI * HTTP/2.0\r\n"])
        {
            using var socket = await ConnectAsync();
            await SendAsync(socket, Encoding.ASCII.GetBytes(said));
            socket.Shutdown(SocketShutdown.Send);
            var answer = await ReadToEndAsync(socket);

            // Nothing, a refusal of HTTP/1.1, or a frame that says goodbye.
            const int goAway = 7;
            Assert.True(answer.Length == 0 || answer.AsSpan().StartsWith("HTTP/1.1 400"u8) || answer[3] == goAway, Encoding.Latin1.GetString(answer));
        }
    }

    /// <summary>Clients of gRPC that keep their connection alive may ping as often as they like.</summary>
    [Fact]
    public async Task Every_ping_is_answered_and_none_is_punished()
    {
        const int pings = 1000;
        using var socket = await ConnectAsync();
        await SendAsync(socket, [.. Preface, .. EmptySettings]);
        for (var i = 0; i < pings; i++)
        {
            var ping = new byte[17];
            ping[2] = 8;
            ping[3] = 6;
            BinaryPrimitives.WriteInt32BigEndian(ping.AsSpan(9), i);
            await SendAsync(socket, ping);
        }
        for (var answered = 0; answered < pings;)
        {
            var (type, flags, payload) = await ReadFrameAsync(socket);
            Assert.NotEqual(7, type);
            if (type != 6) continue;
            Assert.Equal((1, answered++), (flags, BinaryPrimitives.ReadInt32BigEndian(payload)));
        }
    }

    private async Task<Socket> ConnectAsync()
    {
        var address = new Uri(server.Address);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port, TestContext.Current.CancellationToken);
        return socket;
    }

    private static async Task SendAsync(Socket socket, byte[] bytes) => await socket.SendAsync(bytes, TestContext.Current.CancellationToken);

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer, TestContext.Current.CancellationToken) is > 0 and var length) all.Write(buffer, 0, length);
        return all.ToArray();
    }

    private static async Task<(int Type, int Flags, byte[] Payload)> ReadFrameAsync(Socket socket)
    {
        await using var stream = new NetworkStream(socket);
        var header = new byte[9];
        await stream.ReadExactlyAsync(header, TestContext.Current.CancellationToken);
        var payload = new byte[(header[0] << 16) | (header[1] << 8) | header[2]];
        await stream.ReadExactlyAsync(payload, TestContext.Current.CancellationToken);
        return (header[3], header[4], payload);
    }
}
