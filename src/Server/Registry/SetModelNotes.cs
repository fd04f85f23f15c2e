using Atoll.Contracts;
using Atoll.Platform.Database;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Registry;

/// <summary>Puts what the owner says about a model in the place of what was said before.</summary>
internal static class SetModelNotes
{
    private const int CharsMax = 4000;

    public static async Task<Results<Ok<ModelNotes>, ProblemHttpResult>> HandleAsync(
        string model, ModelNotes notes, PlatformDb db, CancellationToken cancellationToken)
    {
        foreach (var (field, text) in ((string, string?)[])[("intendedUse", notes.IntendedUse), ("notFor", notes.NotFor), ("licence", notes.Licence), ("contact", notes.Contact)])
        {
            if (text?.Length > CharsMax) return HttpProblems.InvalidField(field, $"has {text.Length} characters", $"Use at most {CharsMax}.").ToResult();
        }
        var found = await db.Models().SingleOrDefaultAsync(m => m.Name == model, cancellationToken);
        if (found is null) return RegistryProblems.ModelNotFound(model).ToResult();
        var said = new ModelNotes { IntendedUse = Said(notes.IntendedUse), NotFor = Said(notes.NotFor), Licence = Said(notes.Licence), Contact = Said(notes.Contact) };
        found.Notes = said == new ModelNotes() ? null : said;
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Ok(said);
    }

    private static string? Said(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
