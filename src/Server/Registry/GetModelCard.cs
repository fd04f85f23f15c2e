using System.Text.Json;
using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Database;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace Atoll.Registry;

/// <summary>The card of a version: as JSON, or as a page for who asks for one.</summary>
internal static class GetModelCard
{
    // The page holds what tenants wrote. Nothing of it may run or be loaded, whatever slips through.
    private const string PagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

    public static async Task<Results<Ok<ModelCardResponse>, ContentHttpResult, ProblemHttpResult>> HandleAsync(
        string model, string version, HttpRequest request, HttpResponse response, PlatformDb db, BlobStore blobs, CancellationToken cancellationToken)
    {
        var (found, problem) = await GetModelVersion.FindAsync(model, version, db, cancellationToken);
        if (found is null) return problem!.ToResult();
        var notes = await db.Models().AsNoTracking().Where(row => row.Id == found.ModelId).Select(row => row.Notes).SingleOrDefaultAsync(cancellationToken);
        var aliases = await db.ModelAliases().AsNoTracking().Where(alias => alias.ModelId == found.ModelId).ToListAsync(cancellationToken);
        var report = JsonSerializer.Deserialize(
            await blobs.ReadAllAsync(found.TenantId, found.ReportDigest, cancellationToken), AtollJson.Default.ModelReportResponse)!;
        var card = ModelCard.Of(GetModelVersion.ToWire(model, found, aliases), report, notes);
        response.Headers.Vary = HeaderNames.Accept;
        if (!WantsPage(request)) return TypedResults.Ok(card);
        response.Headers.ContentSecurityPolicy = PagePolicy;
        response.Headers.XContentTypeOptions = "nosniff";
        return TypedResults.Content(ModelCardPage.Write(card), "text/html; charset=utf-8");
    }

    /// <summary>What browsers send names text/html before all else; what programs send names JSON, anything, or nothing.</summary>
    private static bool WantsPage(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParseList(request.Headers.Accept, out var accepted)) return false;
        double Wish(string type) => accepted.Where(range => range.MatchesMediaType(type)).Select(range => range.Quality ?? 1).DefaultIfEmpty(0).Max();
        return accepted.Any(range => range.MediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase)) && Wish("text/html") >= Wish("application/json");
    }
}
