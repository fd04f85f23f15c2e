using System.Text;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http;

namespace Atoll.Tests.Platform.Http;

public sealed class RequestDigestTests
{
    [Fact]
    public void Pieces_of_any_size_give_the_same_digest()
    {
        const int Seed = 20260;
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {Seed}");
        var random = new Random(Seed);
        for (var round = 0; round < 200; round++)
        {
            // A boundary of few different bytes, so that its parts often stand in the body too.
            var boundary = new string([.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => (char)('a' + random.Next(2)))]);
            var body = new string([.. Enumerable.Range(0, random.Next(0, 60)).Select(_ => (char)('a' + random.Next(3)))]);
            var whole = Digest(boundary, [body]);
            var pieces = new List<string>();
            for (var at = 0; at < body.Length;)
            {
                var length = Math.Min(random.Next(1, 8), body.Length - at);
                pieces.Add(body.Substring(at, length));
                at += length;
            }
            Assert.Equal(whole, Digest(boundary, pieces));
        }
    }

    [Fact]
    public void Another_boundary_around_the_same_parts_gives_the_same_digest() =>
        Assert.Equal(Digest("xxxx", ["--xxxx\r\n\r\nhello\r\n--xxxx--"]), Digest("yyyyyyy", ["--yyyyyyy\r\n\r\nhello\r\n--yyyyyyy--"]));

    [Fact]
    public void Other_parts_give_another_digest() =>
        Assert.NotEqual(Digest("xxxx", ["--xxxx\r\n\r\nhello\r\n--xxxx--"]), Digest("xxxx", ["--xxxx\r\n\r\nhallo\r\n--xxxx--"]));

    [Fact]
    public void The_address_and_the_method_belong_to_the_request()
    {
        string[] digests = [Digest(null, ["x"]), Digest(null, ["x"], "PUT"), Digest(null, ["x"], path: "/b"), Digest(null, ["x"], query: "?c=d")];
        Assert.Equal(4, digests.Distinct().Count());
    }

    private static string Digest(string? boundary, IEnumerable<string> pieces, string method = "POST", string path = "/a", string query = "")
    {
        var request = new DefaultHttpContext().Request;
        request.Method = method;
        request.Path = path;
        request.QueryString = new QueryString(query);
        request.ContentType = boundary is null ? "application/json" : $"multipart/form-data; boundary=\"{boundary}\"";
        using var digest = new RequestDigest(request);
        foreach (var piece in pieces) digest.Add(Encoding.UTF8.GetBytes(piece));
        return digest.Finish();
    }
}
