"use strict";
/* Draws the document of the API. Nothing is remembered and nothing is sent to a validator elsewhere. */
window.addEventListener("load", () => {
  const place = document.getElementById("api");
  window.SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
  });
});
